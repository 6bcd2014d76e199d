//! `astore completions`.

use super::context::Context;
use super::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  For one user of bash, zsh or fish:
      astore completions bash > ~/.local/share/bash-completion/completions/astore
      astore completions zsh > ~/.zfunc/_astore
      astore completions fish > ~/.config/fish/completions/astore.fish";

/// Print a shell's completion script
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

pub(crate) fn run(args: &Args, ctx: &mut Context) -> anyhow::Result<Exit> {
    ctx.refuse_json("a completion script is no document")?;
    let script = script(args.shell);
    ctx.result(Exit::Done, |out| out.write_all(&script))
}

fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::definition(), "astore", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_in_the_repository_are_current() {
        for (shell, name) in
            [(Shell::Bash, "astore.bash"), (Shell::Zsh, "astore.zsh"), (Shell::Fish, "astore.fish")]
        {
            let committed = std::fs::read(format!("{}/completions/{name}", env!("CARGO_MANIFEST_DIR")));
            let current = committed.is_ok_and(|committed| committed == script(shell));
            assert!(
                current,
                "completions/{name} is not what 'astore completions' prints; run 'just generate'"
            );
        }
    }
}
