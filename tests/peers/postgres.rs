//! A PostgreSQL cluster of our own: made, started and taken away again by the tests that use it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Makes the cluster, says that it is ready, and waits for whoever started it to go: then all of it is removed. A server
/// does not run for the superuser, so it runs for the user that the package has made. Nothing in it must outlive the
/// test, so nothing is synced.
const SCRIPT: &str = r#"
set -e
bin=$1 port=$2
dir=$(mktemp -d /tmp/outdial-postgres.XXXXXX)
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
cd "$dir"
$as "$bin/initdb" -D "$dir/data" -U admin -A trust -N -E UTF8 --locale=C >"$dir.log" 2>&1 || { cat "$dir.log" >&2; exit 1; }
$as "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$dir" \
    -c fsync=off -c max_connections=200 -c shared_buffers=64MB >>"$dir.log" 2>&1 &
server=$!
until "$bin/pg_isready" -h 127.0.0.1 -p "$port" -q; do kill -0 $server; sleep 0.05; done
echo "$server"
cat >/dev/null
kill -CONT $server || true
kill -QUIT $server || true
wait $server || true
rm -rf "$dir" "$dir.log"
"#;

/// A running cluster; it goes when this is dropped, or with the process.
pub struct Cluster {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// The server's process.
    pub server: u32,
    bin: PathBuf,
    keeper: Child,
}

impl Cluster {
    /// Starts one. The error says what is missing. Whoever else asks the system for any port meanwhile may be
    /// given this one's: then another is tried.
    pub fn start() -> Result<Cluster, String> {
        let bin = binaries()?;
        let once_more = |_| Cluster::start_with(&bin);
        Cluster::start_with(&bin).or_else(once_more).or_else(once_more)
    }

    fn start_with(bin: &Path) -> Result<Cluster, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let mut keeper = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(bin)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start sh: {error}"))?;
        let mut line = String::new();
        let output = keeper.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let server = line.trim().parse().map_err(|_| "PostgreSQL did not start".to_owned())?;
        let cluster = Cluster { port, server, bin: bin.to_path_buf(), keeper };
        cluster.sql("postgres", "CREATE ROLE outdial LOGIN");
        Ok(cluster)
    }

    /// An empty database of this name, and its URL. It belongs to `outdial`, who may do nothing beyond it.
    pub fn create(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER outdial"));
        self.url(name)
    }

    /// Where a database is.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://outdial@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement as the superuser and gives what it printed: a line a row, columns between `|`.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let done = Command::new(self.bin.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "admin", "-d", database])
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .output()
            .expect("psql comes with the server");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Freezes the server with all its sessions, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        // The server first: it must not start another session meanwhile.
        let kill = format!("kill {signal} {0}; pkill {signal} -P {0}", self.server);
        let done = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(done.success() || done.code() == Some(1), "{done}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _gone = self.keeper.wait();
    }
}

/// Debian keeps the server's programs out of the path.
fn binaries() -> Result<PathBuf, String> {
    let places = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = places.map(|place| place.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.ok_or_else(|| "PostgreSQL is not installed: run tests/install".to_owned())
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
