//! Someone changes a flag, an answer or a table that the benchmark of whole commands leans on, and learns of it now,
//! not on the evening when figures are wanted. Nothing is timed here: a tiny tree goes through each of its parts.

use std::process::Command;

use crate::support::cli::skip_without;
use crate::support::store::fast_dir;

#[test]
fn the_benchmark_of_whole_commands_still_runs() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skip_without("python3");
    }
    let place = fast_dir();
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/whole.py"));
    command.args(["--smoke", "--astore", env!("CARGO_BIN_EXE_astore"), "--at"]).arg(place.path());
    // The project's own directory is left as it is.
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "it left something behind: {said}");
}
