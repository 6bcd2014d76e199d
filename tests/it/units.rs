//! An operator takes the units and the cron table of `contrib/` as they are: systemd understands them and finds them
//! confined, and what cron runs is silent about a sound store and not about a damaged one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cli::{Desk, has, said};

fn contrib(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(path)
}

#[test]
fn systemd_understands_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    let desk = Desk::without_store();
    let mut units = Vec::new();
    for name in ["astore-verify@.service", "astore-verify@.timer", "astore-notify@.service"] {
        // An instance, as an operator makes it; and the binary that there is here.
        let text = fs::read_to_string(contrib(&format!("systemd/{name}"))).unwrap();
        let text = text.replace("/usr/bin/astore", env!("CARGO_BIN_EXE_astore"));
        fs::write(desk.path(name), text).unwrap();
        units.push(desk.path(name.replace('@', "@srv-astore")));
        fs::copy(desk.path(name), units.last().unwrap()).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command
        .args(["verify", "--man=no"])
        .args(&units)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", desk.path("").display()));
    let said = said(command);
    // What other units of this machine are like is not for this test to say.
    let about_ours: Vec<&str> = said.err.lines().filter(|line| line.contains("astore-")).collect();
    assert_eq!(about_ours, [""; 0], "{said:?}");

    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--threshold=25", "--no-pager"]).arg(&units[0]);
    let said = crate::support::cli::said(command);
    assert_eq!(said.code, 0, "it may do more than it needs:\n{}", said.out);
}

#[test]
fn the_units_are_about_one_store_and_say_when_it_fails() {
    let service = fs::read_to_string(contrib("systemd/astore-verify@.service")).unwrap();
    for line in [
        "OnFailure=astore-notify@%n.service",
        "Environment=ASTORE_ROOT=%f",
        "ReadWritePaths=%f",
        "ProtectSystem=strict",
        "PrivateNetwork=yes",
        "NoNewPrivileges=yes",
        "IOSchedulingClass=idle",
    ] {
        assert!(service.lines().any(|found| found == line), "{line}");
    }
    let timer = fs::read_to_string(contrib("systemd/astore-verify@.timer")).unwrap();
    assert!(timer.contains("\nPersistent=yes\n") && timer.contains("\nRandomizedDelaySec="));
    // What it runs is a command line that astore takes.
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/astore ")).unwrap();
    Desk::new().ok(start.split(' '));
}

/// The commands of the cron table, for this store.
fn cron(desk: &Desk) -> Vec<String> {
    let table = fs::read_to_string(contrib("cron/astore")).unwrap();
    let jobs = table.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    jobs.map(|line| {
        // Five columns of time, one of the user, the command. An unescaped percent sign would be a line feed.
        assert!(!line.contains('%'), "{line}");
        let command = line.split("  ").filter(|part| !part.is_empty()).nth(2).unwrap().trim();
        let mut shell = Command::new("sh");
        let binary = Path::new(env!("CARGO_BIN_EXE_astore")).parent().unwrap();
        shell.arg("-c").arg(command).env_clear().env("ASTORE_ROOT", desk.root());
        shell.env("PATH", format!("{}:/usr/bin:/bin", binary.display()));
        let said = said(shell);
        said.out + &said.err
    })
    .collect()
}

#[test]
fn cron_has_nothing_to_mail_about_a_sound_store() {
    if !has("ionice") {
        return;
    }
    let desk = Desk::new();
    fs::write(desk.path("file"), "content").unwrap();
    desk.ok(["add", "--finalize", "--name", "kept", "./file"]);
    assert_eq!(cron(&desk), ["", ""]);
    let hex = desk.ok(["files", "kept", "--json"]).split("\"blake3\":\"").nth(1).unwrap()[..64].to_owned();
    fs::remove_file(desk.root().join(format!("blake3/{}/{}/{hex}", &hex[..2], &hex[2..4]))).unwrap();
    let mails = cron(&desk);
    assert!(mails[0].contains("missing") && mails[0].contains("kept@1:file"), "{mails:?}");
    assert!(mails[1].contains("not yet mended: 1"), "{mails:?}");
}

#[test]
fn the_notice_says_which_unit_failed_and_what_it_said() {
    let desk = Desk::without_store();
    let unit = fs::read_to_string(contrib("systemd/astore-notify@.service")).unwrap();
    let start = unit.split("ExecStart=/bin/sh -c '").nth(1).unwrap().split("' sh %i").next().unwrap();
    assert!(!start.replace("$$", "").contains('$'), "systemd would put a variable of its own there");
    // As systemd reads it; and nobody gets mail from a test.
    let mail = desk.path("sendmail");
    let start =
        start.replace("\\\n", "").replace("$$", "$").replace("/usr/sbin/sendmail", mail.to_str().unwrap());
    // Written by another process: one that this one had open may be "busy" for as long as another thread starts something.
    let program = |name: &str, text: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#, "sh"]);
        shell.arg(desk.path(name)).arg(text);
        said(shell).expect(0);
    };
    program("systemctl", "echo \"status of $5\"");
    program("journalctl", "echo \"missing blake3:… $*\"");
    program("logger", "echo \"$@\"; cat");
    for has_mail in [false, true] {
        if has_mail {
            program("sendmail", "echo mail \"$@\"; cat");
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &start, "sh", "astore-verify@srv-astore.service"]).env_clear();
        shell.env("PATH", format!("{}:/usr/bin:/bin", desk.path("").display()));
        let said = said(shell);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert!(
            said.out.starts_with(if has_mail { "mail -t\nTo: root\nSubject: " } else { "-p user.crit" }),
            "{said:?}"
        );
        for word in
            ["astore-verify@srv-astore.service failed\n", "status of astore-verify", "missing blake3:"]
        {
            assert!(said.out.contains(word), "{word}: {}", said.out);
        }
    }
}
