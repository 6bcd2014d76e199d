# `just` lists what there is. `just ci` is exactly what CI runs; `just` itself is optional: see .ci/run.

set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @just --list --unsorted

# Formats the code.
fmt:
    cargo fmt

# Checks formatting and lints, warnings as errors.
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Runs every test.
test:
    cargo test

# Runs one story of tests/it, by its name: just story crash
story NAME:
    cargo test --test it -- {{ NAME }}

# Runs the tests and lets snapshots be reviewed.
snap:
    INSTA_UPDATE=new cargo test
    cargo insta review

# Runs everything, the slow tests too. ASTORE_TEST_FAULT_STEP=10 takes every tenth of the refused system calls only.
slow:
    ASTORE_TEST_SLOW=1 ASTORE_TEST_MODEL_CASES=2000 cargo test

# Runs the crash tests at depth, and pulls the plug under each real file system some 900 times (as root; see tests/it/power_cut.rs).
crash:
    ASTORE_TEST_CRASH_SEEDS=64 cargo test --release --test it -- crash faults
    ASTORE_TEST_POWER_CUT_STATES=150 cargo test --release --test it -- power_cut --nocapture

# Fuzzes one of fuzz/fuzz_targets for some seconds (nightly, cargo-fuzz): just fuzz manifest 600
fuzz TARGET SECONDS="60":
    fuzz/seeds.py
    nice -n 19 cargo +nightly fuzz run --sanitizer none {{ TARGET }} -- -max_total_time={{ SECONDS }} -timeout=20 -rss_limit_mb=2048 -print_final_stats=1

# Measures whole commands beside plain ones and other tools, some ten minutes: just bench, just bench --help
bench *OPTIONS:
    cargo build --release
    benches/whole.py --install {{ OPTIONS }}

# Holds a confirmed gc against unlinking the same files, as a ratio: just bench-gc 1000000
bench-gc OBJECTS="100000":
    cargo build --release
    benches/gc.py --objects {{ OBJECTS }}

# Times the kernels under divan, all or some by name: just bench-kernels replay. TMPDIR says on which disk.
bench-kernels *NAMES:
    cargo bench --bench kernels -- {{ NAMES }}

# Says what commands cost in stores of a thousand to a million objects, and the peak of memory of each: just bench-scale --at DIR --keep
bench-scale *ARGS:
    cargo build --release --bin astore --example long_log
    benches/scale.py {{ ARGS }}

# Builds the documentation, warnings as errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Builds the release, with no path of this machine in it.
release:
    .ci/release

# Builds the release twice in different places and compares the binaries.
reproducible:
    .ci/reproducible

# Makes the Debian package in target/debian, looks at it with lintian, and tries it without installing it.
deb:
    .ci/deb target/debian

# Checks licences, sources and bans of the dependencies, and what is known against them (that needs the network).
deny:
    cargo deny --locked check bans licenses sources
    cargo deny --locked check advisories

# Writes man/, completions/ and the schema in store-layout.md anew.
generate:
    UPDATE_DOCUMENTS=1 cargo test --quiet --test it -- the_layout_quotes_the_schema the_first_ten_minutes
    cargo run --quiet -- man --out man
    for shell in bash zsh fish; do cargo run --quiet -- completions $shell > completions/astore.$shell; done

# Writes the fixtures that are missing; what is there stays as it is. To make one anew, delete it first.
fixtures:
    ASTORE_MAKE_FIXTURES=1 cargo test --quiet --lib -- golden
    ASTORE_MAKE_FIXTURES=1 cargo test --quiet --test it -- old_stores

# Runs the independent reader on a store: just reader DIR
reader ROOT:
    python3 tests/reader/astore_reader.py {{ ROOT }}

# What CI runs.
ci:
    .ci/run
