# What developers type. `just --list` shows it.

# See it work.
demo:
    cargo run --release -- demo

# The whole suite: SQLite always, PostgreSQL where its programs or TEST_DATABASE_URL are there.
test:
    cargo test --workspace

# The long forms of the tests that kill, freeze, race and live for years; about an hour.
soak:
    AFTERGLOW_SOAK=1 cargo test --test process -- --nocapture --include-ignored

# What a change has to pass before it is sent.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Everything CI does.
ci:
    .ci/run

# Write the contract anew after a change of handlers or wire types.
openapi:
    cargo run --quiet -- openapi > openapi.yaml

# Write the table of docs/PRIVACY.md anew after a change of the data map.
privacy:
    UPDATE_DOCS=1 cargo test -p entity

# Try the contract on a running binary (needs schemathesis).
contract:
    cargo build
    tests/contract/run.py --binary target/debug/afterglow --schemathesis schemathesis

# A development database with people in it.
seed patients="200":
    cargo run --release -- seed --patients {{patients}} --checkins 30 --journal 10 --out target/people.jsonl

# Small things that run often.
bench-micro:
    cargo bench --bench micro

# CPU per request of the release binary, idle memory, start; 300 logins, 1,000 reads and 2,000 slow sockets at once.
bench-http *options:
    cargo build --release
    cargo bench --bench http -- {{options}}

# Reminders per second and CPU per reminder.
bench-reminders:
    cargo build --release
    cargo bench --bench reminders

# CPU of starting the longest treatment plan.
bench-plans:
    cargo build --release
    cargo bench --bench plans

# A first pull of ten thousand changes, and the trend of a year.
bench-sync:
    cargo build --release
    cargo bench --bench sync

# CPU of planning: a session with its reminders, a change of zone with twenty rules.
bench-planning:
    cargo build --release
    cargo bench --bench planning
