//! `astore attest`.

use std::path::PathBuf;

use astore::registry::report::{AttestRequest, Reference};
use astore::registry::{Access, STATEMENT_BYTES_MAX};

use super::add::provenance;
use super::context::{Context, Form};
use super::exit::Exit;
use super::given;
use super::output::json::{self, schema};
use super::output::{escape, human};
use super::progress::Volume;

const EXAMPLES: &str = "\
Examples:
  Keep a build's provenance, signed or not, beside what was built:
      astore attest tool@7 tool.intoto.json
  Find it again, and hand it to whoever verifies its signature:
      astore show tool@7
      astore cat tool.attestation@1:statement.json > tool.dsse.json
  Let the store itself state where a package came from, as SLSA provenance:
      astore manifest tool@7 --format in-toto > statement.json
      astore attest tool@7 statement.json";

/// Keep what somebody states about a package beside it
///
/// FILE is an in-toto Statement (v1 or v0.1) in JSON, or a DSSE envelope with one. Each of its subjects that has a digest of
/// sha256 or blake3 has to be a file of the package or its manifest, and one at least has to have one; where a subject has the name of a
/// path of the package, it has to be the file there. Signatures are kept, and not verified.
///
/// It becomes a finalised package of its own, NAME.attestation, whose only file is statement.json, byte for byte. So it is kept,
/// verified, exported and removed as any other; 'astore show' of the package that it is about lists it.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The package: name, name@version, id or the beginning of an id
    #[arg(value_name = "REF")]
    reference: String,

    /// The statement; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The retention class of the attestation [default: that of the package]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
}

pub(crate) fn run(args: Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    let document = given::whole(&args.file, "a statement", STATEMENT_BYTES_MAX, ctx)?;
    let request = AttestRequest {
        reference: Reference(args.reference),
        document,
        class: args.class,
        provenance: provenance::of_file(&args.file, ctx),
    };
    let report = ctx.open("attest", Access::Write)?.attest(request, &ctx.terminal)?;
    let (form, volume) = (ctx.form, ctx.volume);
    let exit = ctx.result(Exit::Done, |out| match (form, volume) {
        (Form::Json, _) => json::write(schema::ATTEST, json::Attest::of(&report), out),
        (Form::Text, Volume::Quiet) => writeln!(out, "{}", report.attestation.reference()),
        (Form::Text, Volume::Normal) => human::reference(&report.attestation, out),
    })?;
    if form == Form::Text {
        let (attested, kind) = (&report.attested, escape::line(&report.predicate_type));
        ctx.terminal
            .note(&format!("astore: it states {kind} about {attested}; its signatures were not verified"));
    }
    Ok(exit)
}
