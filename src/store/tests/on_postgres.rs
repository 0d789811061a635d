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
#[path = "disk.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod disk;
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
#[path = "schema.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod schema;
#[path = "writing.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, on another database")]
mod writing;

use super::*;
use crate::store::{Location, Reader, Server, StoreError, restore};
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

async fn watcher(store: &Store) -> Connection {
    match server(store) {
        Some(server) => Connection::to_server(&server).await.unwrap(),
        None => super::watcher(store).await,
    }
}

/// Those that have written attempts.
async fn commits(watcher: &mut Connection) -> i64 {
    if !watcher.is_server() {
        return super::commits(watcher).await;
    }
    scalar("SELECT count(DISTINCT CAST(xmin AS text)) FROM attempts").fetch_one(watcher).await.unwrap()
}

/// What the server says when its disk is full (PostgreSQL, appendix A: 53100).
const FULL: [&str; 2] = [
    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN RAISE EXCEPTION SQLSTATE ''53100'' USING MESSAGE = ''could not extend file''; END'",
    "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON calls EXECUTE FUNCTION full_disk()",
];

async fn set_full(store: &mut Store, yes: bool) {
    if !store.connection.is_server() {
        return super::set_full(store, yes).await;
    }
    if !yes {
        return run(store, "DROP FUNCTION full_disk CASCADE").await;
    }
    for sql in FULL {
        run(store, sql).await;
    }
    run(store, "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON attempts EXECUTE FUNCTION full_disk()")
        .await;
}

async fn set_read_only(store: &mut Store, yes: bool) {
    if !store.connection.is_server() {
        return super::set_read_only(store, yes).await;
    }
    let sql = match yes {
        true => "SET default_transaction_read_only = on",
        false => "SET default_transaction_read_only = off",
    };
    run(store, sql).await;
}

async fn hold(store: &mut Store) -> Connection {
    let Some(server) = server(store) else { return super::hold(store).await };
    let mut other = Connection::to_server(&server).await.unwrap();
    other.begin().await.unwrap();
    query("LOCK TABLE attempts").execute(&mut other).await.unwrap();
    run(store, "SET lock_timeout = 1").await;
    other
}

fn server(store: &Store) -> Option<Server> {
    match Location::parse(store.path().to_str()?) {
        Ok(Location::Server(server)) => Some(server),
        _ => None,
    }
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
async fn whoever_owns_the_database_may_put_a_copy_back_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster() else { return };
    for sql in ["CREATE ROLE clerk LOGIN", "CREATE ROLE guest LOGIN", "CREATE DATABASE clerks OWNER clerk"] {
        cluster.sql("postgres", sql);
    }
    let url = |user: &str| cluster.url("clerks").replace("outdial@", &format!("{user}@"));
    let location = Location::parse(&url("clerk")).unwrap();
    let mut store = Store::open(&location).await.unwrap();
    import(&mut store, 0..3).await;
    let copy = folder.path().join("copy.db");
    Reader::open(location.clone()).await.unwrap().back_up(&copy).await.unwrap();
    import(&mut store, 3..5).await;
    store.close().await.unwrap();

    let (contents, kept) = restore(&copy, &location, at(77)).await.unwrap();
    assert_eq!(contents.contacts, 3);
    let kept = kept.expect("the former tables");
    assert!(kept.to_string().ends_with("/clerks, schema before_77"), "{kept}");
    assert_eq!(Store::open(&kept).await.unwrap().counts(CAMPAIGN).await.unwrap().contacts(), 5);
    let guest = Location::parse(&url("guest")).unwrap();
    let refused = restore(&copy, &guest, at(78)).await.unwrap_err().to_string();
    assert!(refused.contains("let this user own the database"), "{refused}");
    assert_eq!(Store::open(&location).await.unwrap().counts(CAMPAIGN).await.unwrap().contacts(), 3);
}

#[tokio::test]
async fn without_a_place_for_the_key_nothing_is_erased_from_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster() else { return };
    let _made = path_in(&folder);
    let name = DATABASES.lock().unwrap()[folder.path()].clone();
    let mut store = Store::open(Location::parse(&cluster.url(&name)).unwrap()).await.unwrap();
    import(&mut store, 0..1).await;
    let error = store.erase(&number(0), [7; 32], at(5)).await.unwrap_err();
    assert!(error.to_string().contains("`database_key_file`"), "{error}");
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().pending, 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_remedy_and_without_its_password() {
    let location = Location::parse("postgres://ann:secret@127.0.0.1:1/dialer").unwrap();
    let error = Store::open(location).await.err().expect("nobody listens there").to_string();
    assert!(error.contains("postgres://ann@127.0.0.1:1/dialer") && !error.contains("secret"), "{error}");
    assert!(error.contains("check that PostgreSQL runs"), "{error}");
}
