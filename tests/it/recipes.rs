//! Somebody copies commands out of the documents. Each block of them is run here as it stands, in order, in a fresh
//! directory; one that installs something, or needs what a test has not, says so in a comment that readers do not see.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::cli::{Desk, said, skip_without};

/// What stands above a block that is not run, before the reason.
const NOT_RUN: &str = "<!-- not run: ";

/// What the blocks call, beside what every Debian has.
const TOOLS: [&str; 3] = ["rsync", "jq", "flock"];

/// Commands in a document.
struct Block {
    /// The document, and the line that it begins in.
    place: String,
    text: String,
    is_run: bool,
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the blocks of commands of a markdown text, and what is wrong with how they are marked.
fn blocks(document: &str, text: &str) -> (Vec<Block>, Vec<String>) {
    let (mut blocks, mut wrong): (Vec<Block>, Vec<String>) = (Vec::new(), Vec::new());
    let mut language: Option<&str> = None;
    let mut above = "";
    for (index, line) in text.lines().enumerate() {
        let place = format!("{document}:{}", index + 1);
        match (line.strip_prefix("```"), language) {
            (Some(_), Some(_)) => language = None,
            (Some(opened), None) => {
                language = Some(opened);
                let reason = above.strip_prefix(NOT_RUN).and_then(|rest| rest.strip_suffix(" -->"));
                match (opened, reason) {
                    ("sh", _) => {
                        if reason == Some("") {
                            wrong.push(format!("{place}: not run, for no reason"));
                        }
                        blocks.push(Block { place, text: String::new(), is_run: reason.is_none() });
                    }
                    ("text" | "toml" | "ini" | "json", None) => {}
                    _ => wrong.push(format!(
                        "{place}: a block of {opened:?} is neither run nor known to be no command"
                    )),
                }
            }
            (None, Some("sh")) => {
                let block = blocks.last_mut().unwrap();
                block.text += line;
                block.text.push('\n');
            }
            (None, _) => {}
        }
        if !line.trim().is_empty() {
            above = line;
        }
    }
    (blocks, wrong)
}

/// The blocks of a manual page, between .EX and .EE.
fn blocks_of_page(document: &str, text: &str) -> Vec<Block> {
    let examples = text.split(".EX\n").skip(1).map(|part| part.split(".EE\n").next().unwrap());
    let plain = |part: &str| part.replace("\\-", "-");
    examples.map(|part| Block { place: document.to_owned(), text: plain(part), is_run: true }).collect()
}

/// Makes one script of blocks. A line that ends with a comment `# exit N` has to end so; any other with 0.
fn script(blocks: &[Block]) -> String {
    let mut script = "set -euo pipefail\ntrap 'echo \"$PLACE: $BASH_COMMAND\" >&2' ERR\n".to_owned();
    for block in blocks.iter().filter(|block| block.is_run) {
        script += &format!("PLACE='{}'\n", block.place);
        for line in block.text.lines() {
            let expected = line.split_once("# exit ").map(|(_, rest)| rest.split(':').next().unwrap().trim());
            script += &match expected {
                Some(code) => format!("code=0; {{ {line}\n}} || code=$?; test \"$code\" = {code}\n"),
                None => format!("{line}\n"),
            };
        }
    }
    script
}

/// Runs the blocks in one shell at a desk that has a tree, `public`, and the binary, and no store.
#[track_caller]
fn run(blocks: &[Block]) {
    for tool in TOOLS {
        if !Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success()) {
            return skip_without(tool);
        }
    }
    let desk = Desk::without_store();
    fs::create_dir_all(desk.path("public/docs")).unwrap();
    for path in ["public/index.html", "public/docs/one.html", "public/docs/two.html"] {
        fs::write(desk.path(path), path).unwrap();
    }
    fs::write(desk.path("script"), script(blocks)).unwrap();
    let mut command = Command::new("bash");
    let binary = Path::new(env!("CARGO_BIN_EXE_astore")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    command.arg("script").env_clear().env("PATH", path).env("HOME", desk.path("")).current_dir(desk.path(""));
    let said = said(command);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
}

/// Bash reads each of the blocks as commands.
#[track_caller]
fn read_by_bash(blocks: &[Block]) {
    for block in blocks {
        let mut command = Command::new("bash");
        command.args(["-n", "-c", &block.text]);
        let said = said(command);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", block.place);
    }
}

#[track_caller]
fn check(document: &str, least: usize) {
    let (blocks, wrong) = blocks(document, &read(document));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        blocks.iter().filter(|block| block.is_run).count() >= least,
        "too few blocks of {document} are run"
    );
    read_by_bash(&blocks);
    run(&blocks);
}

#[test]
fn what_the_readme_says_to_type_works() {
    check("README.md", 2);
}

#[test]
fn what_the_operators_page_says_to_type_works() {
    check("docs/operator.md", 8);
}

#[test]
fn what_the_tutorial_says_to_type_works() {
    let blocks = blocks_of_page("astore-tutorial(7)", &read("src/cli/man/tutorial.7"));
    assert!(blocks.len() > 5);
    read_by_bash(&blocks);
    run(&blocks);
}

#[test]
fn a_block_that_is_neither_run_nor_marked_is_found() {
    let (found, wrong) = blocks("x", "```sh\na\n```\n\n<!-- not run: it installs -->\n\n```sh\nb\n```\n");
    let found: Vec<(&str, bool)> = found.iter().map(|block| (block.text.as_str(), block.is_run)).collect();
    assert_eq!(found, [("a\n", true), ("b\n", false)]);
    assert!(wrong.is_empty());
    for text in ["```\nastore list\n```\n", "```bash\nx\n```\n", "<!-- not run:  -->\n```sh\nx\n```\n"] {
        assert_eq!(blocks("x", text).1.len(), 1, "{text}");
    }
    let block = |text: &str| [Block { place: "x:1".into(), text: text.into(), is_run: true }];
    let ends = |text: &str| {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script(&block(text)));
        said(command).code == 0
    };
    assert!(ends("true\nfalse  # exit 1: as it should\n"));
    assert!(!ends("false  # exit 0: no\n") && !ends("true  # exit 1: no\n") && !ends("false\n"));
}

/// The page for operators has a row for each command and each variable.
#[test]
fn the_operators_page_has_every_command_and_variable() {
    let page = read("docs/operator.md");
    let manual = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("man")).unwrap();
    let names = manual.map(|page| page.unwrap().file_name().into_string().unwrap());
    let commands =
        names.filter_map(|name| Some(name.strip_prefix("astore-")?.strip_suffix(".1")?.to_owned()));
    let commands: Vec<String> = commands.collect();
    assert!(commands.len() > 20);
    for command in commands {
        assert!(page.contains(&format!("\n| `astore {command}` | ")), "no row for {command}");
    }
    for part in read("src/cli/environment.rs").split("var_os(\"").skip(1) {
        let variable = part.split('"').next().unwrap();
        // Only who the user is, where the system does not say.
        assert!(variable == "USER" || page.contains(&format!("`{variable}`")), "{variable} is not explained");
    }
}

/// The texts in the table of what goes wrong are those that astore says.
#[test]
fn what_goes_wrong_looks_as_the_page_says() {
    let page = read("docs/operator.md");
    let section = page.split("## What goes wrong").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut rows: Vec<(String, i32)> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let text = line.split('`').next().unwrap().to_owned();
            (text, line.split(" | ").nth(1).unwrap().parse().unwrap())
        })
        .collect();
    let desk = Desk::without_store();
    let mut heard = |arguments: &[&str]| {
        let said = desk.run(arguments);
        let text = format!("{}{}", said.out, said.err);
        rows.retain(|(row, code)| !(text.contains(row) && said.code == *code));
    };
    heard(&["list"]);
    heard(&["init"]);
    heard(&["health"]);
    fs::create_dir(desk.path("tree")).unwrap();
    for content in ["1", "2"] {
        fs::write(desk.path("tree/file"), content).unwrap();
        heard(&["add", "--finalize", "--name", "site", "tree"]);
    }
    heard(&["remove", "site", "--reason", "test"]);
    heard(&["show", "sight"]);
    heard(&["export", "site", "tree"]);
    heard(&["remove", "site@1", "--reason", "test"]);
    let plan = desk.ok(["gc", "--min-age", "0s", "--quiet"]);
    heard(&["restore", "site@1"]);
    heard(&["gc", &format!("--confirm={}", plan.trim())]);
    heard(&["remove", "site@1", "--reason", "test"]);
    heard(&["gc", "--min-age", "0s", "--confirm"]);
    heard(&["cat", "site@1:file"]);
    let lock = fs::File::open(desk.path("store/astore.lock")).unwrap();
    lock.lock().unwrap();
    heard(&["pin", "x", "site", "--wait", "0s"]);
    drop(lock);
    let address = desk.ok(["files", "site", "--json"]);
    let hex = address.split("\"blake3\":\"").nth(1).unwrap()[..64].to_owned();
    fs::remove_file(desk.path(format!("store/blake3/{}/{}/{hex}", &hex[..2], &hex[2..4]))).unwrap();
    heard(&["verify", "--head", &format!("1:{}", "0".repeat(64))]);
    heard(&["health"]);
    let config = fs::read_to_string(desk.path("store/astore.toml")).unwrap();
    fs::write(desk.path("store/astore.toml"), format!("{config}[defaults]\nmin_age = \"30d\"\n")).unwrap();
    heard(&["gc", "--confirm"]);
    fs::write(desk.path("store/astore.toml"), config.replace("format = 1", "format = 2")).unwrap();
    heard(&["list"]);
    fs::remove_file(desk.path("store/astore.toml")).unwrap();
    heard(&["list"]);
    fs::write(desk.path("store/astore.toml"), config).unwrap();
    for name in ["astore.db", "astore.db-wal", "astore.db-shm"] {
        let _gone = fs::remove_file(desk.path(format!("store/{name}")));
    }
    heard(&["list"]);
    assert!(rows.is_empty(), "nothing says so any more: {rows:#?}");
}
