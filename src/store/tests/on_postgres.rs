//! The same tests once more, on a PostgreSQL cluster of their own. Where no PostgreSQL is installed they say so in one
//! line and run on files, unless `OUTDIAL_PEERS` demands it.

#[path = "../../../tests/peers/postgres.rs"]
#[allow(dead_code, reason = "the tests of several nodes use more of it")]
mod cluster;

#[path = "abandonment.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod abandonment;
#[path = "dialing.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod dialing;
#[path = "forgetting.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod forgetting;
#[path = "grouping.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod grouping;
#[path = "labels.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod labels;
#[path = "law.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod law;
#[path = "lists.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod lists;
#[path = "nodes.rs"]
mod nodes;
#[path = "order.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod order;
#[path = "reading.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod reading;
#[path = "writing.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod writing;

use super::*;
use crate::store::{Location, StoreError};
use cluster::Cluster;
use std::sync::{Mutex, OnceLock};

/// Each folder's database. The folder itself stays empty.
static DATABASES: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| match Cluster::start() {
        Ok(cluster) => Some(cluster),
        Err(reason) if std::env::var("OUTDIAL_PEERS").as_deref() == Ok("required") => panic!("{reason}"),
        Err(reason) => {
            eprintln!("run on files once more, for want of PostgreSQL: {reason}");
            None
        }
    });
    cluster.as_ref()
}

fn path_in(folder: &TempDir) -> Location {
    let Some(cluster) = cluster() else { return Location::File(super::path_in(folder)) };
    let mut databases = DATABASES.lock().unwrap();
    let count = databases.len();
    let name = databases.entry(folder.path().to_owned()).or_insert_with(|| {
        let name = format!("store_{count}");
        cluster.create(&name);
        name
    });
    let Ok(Location::Server(server)) = Location::parse(&cluster.url(name)) else { panic!("no server") };
    Location::Server(server.with_key(folder.path().join("outdial.db.key")))
}

async fn open(folder: &TempDir) -> Store {
    Store::open(path_in(folder)).await.unwrap()
}

async fn one_call(folder: &TempDir) -> Store {
    with_one_call(open(folder).await).await
}

/// A server keeps what a node had committed when it died.
fn crash_image(store: &Store) -> TempDir {
    if cluster().is_none() {
        return super::crash_image(store);
    }
    let image = tempfile::tempdir().unwrap();
    let name = store.path().to_str().and_then(|url| url.rsplit('/').next()).unwrap().to_owned();
    DATABASES.lock().unwrap().insert(image.path().to_owned(), name);
    image
}

#[tokio::test]
async fn nodes_that_start_together_make_the_schema_once() {
    let folder = tempfile::tempdir().unwrap();
    let location = path_in(&folder);
    if cluster().is_none() {
        return;
    }
    let (a, b, c) = tokio::join!(Store::open(&location), Store::open(&location), Store::open(&location));
    for opened in [a, b, c] {
        opened.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let location = path_in(&folder);
    let Some(cluster) = cluster() else { return };
    let name = DATABASES.lock().unwrap()[folder.path()].clone();
    cluster.sql(&name, "CREATE TABLE birds (name text)");
    let error = Store::open(&location).await.err().expect("it is not ours");
    assert!(matches!(error, StoreError::NotOurs(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_remedy_and_without_its_password() {
    let location = Location::parse("postgres://ann:secret@127.0.0.1:1/dialer").unwrap();
    let error = Store::open(location).await.err().expect("nobody listens there").to_string();
    assert!(error.contains("postgres://ann@127.0.0.1:1/dialer") && !error.contains("secret"), "{error}");
    assert!(error.contains("check that PostgreSQL runs"), "{error}");
}
