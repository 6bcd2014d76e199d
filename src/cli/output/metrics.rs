//! What a command measured, in the text format of Prometheus (version 0.0.4).
//!
//! docs/metrics.md has a row for each metric. Each sample carries the labels that the caller gives, so that the files
//! of several commands and stores can be read side by side.

use std::fmt::Write as _;

use astore::env::Timestamp;
use astore::registry::report as r;

/// Whether a metric only ever goes up from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    /// Each with a label of its own, where there are several.
    samples: Vec<(Option<(&'static str, String)>, String)>,
}

/// Metrics, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Metrics(Vec<Family>);

/// Which command ran and how that went: what every file has.
pub(crate) struct Run {
    /// The exit code.
    pub(crate) exit: u8,
    /// How long it took, in microseconds.
    pub(crate) duration_micros: u128,
    /// When it ended.
    pub(crate) end: Timestamp,
}

impl Metrics {
    fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Into<u64>) {
        self.add(name, Kind::Gauge, help, vec![(None, value.into().to_string())]);
    }

    fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, Kind::Counter, help, vec![(None, value.to_string())]);
    }

    fn add(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        samples: Vec<(Option<(&'static str, String)>, String)>,
    ) {
        self.0.push(Family { name, kind, help, samples });
    }

    /// Adds how a command ended.
    pub(crate) fn run(&mut self, run: &Run) {
        self.gauge("astore_exit_code", "Exit code of the command.", run.exit);
        let seconds = decimal(i128::try_from(run.duration_micros).unwrap_or(i128::MAX));
        self.add("astore_duration_seconds", Kind::Gauge, "How long the command took.", vec![(None, seconds)]);
        let end = decimal(i128::from(run.end.as_micros()));
        self.add("astore_end_timestamp_seconds", Kind::Gauge, "When the command ended.", vec![(None, end)]);
        let version = Some(("version", env!("CARGO_PKG_VERSION").to_owned()));
        self.add("astore_build_info", Kind::Gauge, "The build that ran it.", vec![(version, "1".to_owned())]);
    }

    /// Adds what an add took in.
    pub(crate) fn added(&mut self, report: &r::AddReport) {
        self.gauge("astore_add_hashed_files", "Files that were read and hashed.", report.files_hashed);
        self.gauge("astore_add_cached_files", "Unchanged files that were not read.", report.cache_hits);
        self.gauge("astore_add_new_objects", "Objects that were stored.", report.objects_new);
        self.gauge("astore_add_new_bytes", "Bytes of objects that were stored.", report.bytes_new);
        self.gauge("astore_add_healed_objects", "Damaged objects made whole.", report.healed.len() as u64);
        self.gauge("astore_add_skipped_paths", "Paths that could not be read.", report.skipped.len() as u64);
        self.gauge("astore_add_unchanged", "Whether no new version was needed.", report.unchanged);
        self.gauge("astore_add_package_files", "Files in the package now.", report.package.files);
        self.gauge("astore_add_package_bytes", "Bytes of these files.", report.package.bytes);
    }

    /// Adds what a verify found.
    pub(crate) fn verified(&mut self, report: &r::VerifyReport) {
        self.events(report.head_sequence);
        self.gauge("astore_verify_objects", "Objects that were looked at.", report.objects);
        self.gauge("astore_verify_bytes", "Bytes that were read again.", report.bytes);
        self.gauge("astore_verify_events", "Events whose chain was checked.", report.events);
        self.gauge("astore_verify_faults", "Faults that were found.", report.faults.len() as u64);
        let on_record = report.on_record.len() as u64;
        self.gauge("astore_verify_on_record_faults", "Faults on record that were not read again.", on_record);
        if let Some(part) = &report.part {
            self.gauge("astore_verify_left_objects", "Objects left to read in this pass.", part.objects_left);
            self.gauge("astore_verify_left_bytes", "Bytes left to read in this pass.", part.bytes_left);
        }
        if let Some(overdue) = &report.overdue {
            self.gauge("astore_verify_overdue_objects", "Objects not read for too long.", overdue.objects);
            self.gauge("astore_verify_overdue_bytes", "Bytes of these objects.", overdue.bytes);
        }
        self.gauge("astore_verify_notes", "Notes beside the faults.", report.notes.len() as u64);
        self.gauge("astore_verify_recorded", "Whether the result is in the log.", report.recorded.is_ok());
    }

    /// Adds what a gc would take.
    pub(crate) fn planned(&mut self, report: &r::PlanReport) {
        let objects = report.plan.objects().len() as u64;
        self.gauge("astore_gc_collectable_objects", "Objects in the plan.", objects);
        self.gauge("astore_gc_collectable_bytes", "Bytes of the objects in the plan.", report.plan.bytes());
        let (objects, bytes) = report.young.as_ref().map_or((0, 0), |young| (young.objects, young.bytes));
        self.gauge("astore_gc_young_objects", "Objects that only their age keeps.", objects);
        self.gauge("astore_gc_young_bytes", "Bytes of objects that only their age keeps.", bytes);
        self.gauge("astore_gc_kept_objects", "Objects that only pins and holds keep.", report.kept_total.0);
        let kept = report.kept_total.1;
        self.gauge("astore_gc_kept_bytes", "Bytes of objects that only pins and holds keep.", kept);
        let unfinished = report.unfinished.len() as u64;
        self.gauge("astore_gc_unfinished_rounds", "Rounds that began and did not end.", unfinished);
    }

    /// Adds what a gc took.
    pub(crate) fn collected(&mut self, report: &r::CollectReport) {
        self.planned(&report.plan);
        let (objects, bytes) = report.freed();
        self.gauge("astore_gc_freed_objects", "Objects that were deleted.", objects);
        self.gauge("astore_gc_freed_bytes", "Bytes of objects that were deleted.", bytes);
        let failed = report.failed().count() as u64;
        self.gauge("astore_gc_failed_objects", "Objects that could not be deleted.", failed);
    }

    /// Adds how a store is.
    pub(crate) fn health(&mut self, report: &r::HealthReport) {
        self.events(report.head_sequence);
        self.gauge("astore_health_free_bytes", "Bytes that can still be written.", report.free_bytes);
        self.gauge("astore_health_writable", "Whether the store can be written.", report.writable);
        self.gauge("astore_health_damage", "Whether damage is on record.", report.damage);
        self.gauge("astore_health_concerns", "What health is concerned about.", report.concerns.len() as u64);
        if let Some(last) = report.last_verify {
            let at = decimal(i128::from(last.at.as_micros()));
            let help = "When the last full verify was recorded.";
            self.add("astore_health_last_verify_timestamp_seconds", Kind::Gauge, help, vec![(None, at)]);
            self.gauge("astore_health_last_verify_faults", "Faults that it found.", last.faults);
        }
    }

    /// Adds what a store holds.
    pub(crate) fn stats(&mut self, report: &r::StatsReport) {
        self.events(report.events);
        let packages = [
            ("open", report.packages_open),
            ("finalized", report.packages_finalized),
            ("removed", report.packages_removed),
        ];
        let samples = packages.map(|(status, n)| (Some(("status", status.to_owned())), n.to_string()));
        self.add("astore_packages", Kind::Gauge, "Packages, by what became of them.", samples.into());
        self.gauge("astore_objects", "Objects whose bytes should be there.", report.objects);
        self.gauge("astore_object_bytes", "Bytes of these objects.", report.object_bytes);
        self.gauge(
            "astore_logical_bytes",
            "Bytes of the packages, equal files each time.",
            report.logical_bytes,
        );
        self.gauge("astore_overhead_bytes", "Bytes of all that is no object.", report.overhead_bytes);
        let class = |(class, packages, bytes): &(String, u64, u64)| {
            let label = || Some(("class", class.clone()));
            ((label(), packages.to_string()), (label(), bytes.to_string()))
        };
        let (packages, bytes) = report.classes.iter().map(class).unzip();
        self.add("astore_class_packages", Kind::Gauge, "Packages of a retention class.", packages);
        self.add("astore_class_bytes", Kind::Gauge, "Bytes of the packages of a retention class.", bytes);
        self.counter("astore_purged_objects_total", "Objects ever purged.", report.purges.objects);
        self.counter("astore_purged_bytes_total", "Bytes ever freed by a gc.", report.purges.freed_bytes);
        self.counter("astore_gc_runs_total", "Gcs that ever purged something.", report.purges.runs);
    }

    fn events(&mut self, head: u64) {
        self.counter("astore_events_total", "Events in the log.", head);
    }

    /// Writes all of it; every sample carries these labels.
    pub(crate) fn render(&self, labels: &[(&str, &str)]) -> String {
        let labels: Vec<String> = labels.iter().map(|(name, value)| label(name, value)).collect();
        let mut text = String::new();
        for Family { name, kind, help, samples } in &self.0 {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for (own, value) in samples {
                let own = own.as_ref().map(|(name, value)| label(name, value));
                let all: Vec<&str> = labels.iter().chain(&own).map(String::as_str).collect();
                let _ = writeln!(text, "{name}{{{}}} {value}", all.join(","));
            }
        }
        text
    }
}

/// Writes a label; the format escapes these three and nothing else.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

/// Writes microseconds as seconds, exactly.
fn decimal(micros: i128) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::samples;
    use super::*;

    fn run() -> Run {
        Run { exit: 4, duration_micros: 1_500_000, end: samples::at(7) }
    }

    #[test]
    fn a_verify_as_a_monitor_reads_it() {
        let mut metrics = Metrics::default();
        metrics.verified(&samples::verified(vec![samples::fault()]));
        metrics.run(&run());
        let text = metrics.render(&[("command", "verify"), ("root", "/srv/a \"b\"\\\n")]);
        insta::assert_snapshot!(text, @r#"
        # HELP astore_events_total Events in the log.
        # TYPE astore_events_total counter
        astore_events_total{command="verify",root="/srv/a \"b\"\\\n"} 7
        # HELP astore_verify_objects Objects that were looked at.
        # TYPE astore_verify_objects gauge
        astore_verify_objects{command="verify",root="/srv/a \"b\"\\\n"} 3
        # HELP astore_verify_bytes Bytes that were read again.
        # TYPE astore_verify_bytes gauge
        astore_verify_bytes{command="verify",root="/srv/a \"b\"\\\n"} 4096
        # HELP astore_verify_events Events whose chain was checked.
        # TYPE astore_verify_events gauge
        astore_verify_events{command="verify",root="/srv/a \"b\"\\\n"} 7
        # HELP astore_verify_faults Faults that were found.
        # TYPE astore_verify_faults gauge
        astore_verify_faults{command="verify",root="/srv/a \"b\"\\\n"} 1
        # HELP astore_verify_on_record_faults Faults on record that were not read again.
        # TYPE astore_verify_on_record_faults gauge
        astore_verify_on_record_faults{command="verify",root="/srv/a \"b\"\\\n"} 0
        # HELP astore_verify_notes Notes beside the faults.
        # TYPE astore_verify_notes gauge
        astore_verify_notes{command="verify",root="/srv/a \"b\"\\\n"} 1
        # HELP astore_verify_recorded Whether the result is in the log.
        # TYPE astore_verify_recorded gauge
        astore_verify_recorded{command="verify",root="/srv/a \"b\"\\\n"} 0
        # HELP astore_exit_code Exit code of the command.
        # TYPE astore_exit_code gauge
        astore_exit_code{command="verify",root="/srv/a \"b\"\\\n"} 4
        # HELP astore_duration_seconds How long the command took.
        # TYPE astore_duration_seconds gauge
        astore_duration_seconds{command="verify",root="/srv/a \"b\"\\\n"} 1.500000
        # HELP astore_end_timestamp_seconds When the command ended.
        # TYPE astore_end_timestamp_seconds gauge
        astore_end_timestamp_seconds{command="verify",root="/srv/a \"b\"\\\n"} 1800000007.000250
        # HELP astore_build_info The build that ran it.
        # TYPE astore_build_info gauge
        astore_build_info{command="verify",root="/srv/a \"b\"\\\n",version="0.1.0"} 1
        "#);
    }

    #[test]
    fn instants_are_exact() {
        for (micros, seconds) in [(0, "0.000000"), (-1, "-0.000001"), (1_500_000, "1.500000")] {
            assert_eq!(decimal(micros), seconds);
        }
    }

    /// Each metric has a row in docs/metrics.md, and each row a metric.
    #[test]
    fn every_metric_is_documented() {
        let mut metrics = Metrics::default();
        metrics.added(&samples::added());
        metrics.verified(&samples::part_verified());
        metrics.collected(&samples::collected());
        metrics.health(&samples::health());
        metrics.stats(&samples::stats());
        metrics.run(&run());
        let manual =
            std::fs::read_to_string(format!("{}/docs/metrics.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let rows: BTreeSet<(&str, &str)> = manual
            .lines()
            .filter_map(|line| {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
                name.starts_with("astore_").then(|| (name, cells[2]))
            })
            .collect();
        let kind = |family: &Family| if family.kind == Kind::Counter { "counter" } else { "gauge" };
        let known: BTreeSet<(&str, &str)> =
            metrics.0.iter().map(|family| (family.name, kind(family))).collect();
        assert_eq!(known, rows);
        for family in &metrics.0 {
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
        }
    }
}
