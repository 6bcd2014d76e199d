//! The `astore` binary: parse, run, and tell the shell how it went.
//!
//! Everything it does is a call of the library; what is here and in `cli/` knows terminals, the environment
//! and exit codes, and nothing about files under a store's root or about SQLite.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let streams = match cli::Streams::of_process() {
        Ok(streams) => streams,
        Err(error) => return ExitCode::from(cli::without_streams(std::env::args_os(), &error).code()),
    };
    let exit =
        cli::run(std::env::args_os(), &cli::Environment::of_process(), cli::Interrupt::install(), streams);
    ExitCode::from(exit.code())
}
