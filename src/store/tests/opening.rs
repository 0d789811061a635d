//! Opening a file, and everything that can stand in the way.

use super::*;
use crate::store::StoreError;

async fn fault(path: &Path) -> StoreError {
    match Store::open(path).await {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..1).await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{suffix}", store.path().display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[tokio::test]
async fn a_commit_is_synced_to_a_write_ahead_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    let (journal, synchronous): (String, i64) =
        query("SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous")
            .fetch_one(&mut store.connection)
            .await
            .unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn two_engines_cannot_share_it_by_whatever_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(path_in(&folder), &link).unwrap();
    for path in [path_in(&folder), link] {
        let error = fault(&path).await;
        assert!(matches!(error, StoreError::InUse(_, Some(id)) if id == std::process::id()), "{error}");
        assert!(error.to_string().contains("stop that one first"), "{error}");
    }
    drop(store);
    open(&folder).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["number,name\n+12025550101,Ann\n".to_owned(), "x".repeat(100_000)] {
        std::fs::write(path_in(&folder), &text).unwrap();
        let error = fault(&path_in(&folder)).await;
        assert!(matches!(error, StoreError::NotADatabase(_)), "{error}");
        assert_eq!(std::fs::read_to_string(path_in(&folder)).unwrap(), text);
    }
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    use sqlx::ConnectOptions;
    let folder = tempfile::tempdir().unwrap();
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(path_in(&folder)).create_if_missing(true);
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE birds (name TEXT)").execute(&mut other).await.unwrap();
    sqlx::Connection::close(other).await.unwrap();
    let error = fault(&path_in(&folder)).await;
    assert!(matches!(error, StoreError::NotOurs(_)), "{error}");
}

#[tokio::test]
async fn what_is_read_only_or_missing_is_named_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await.unwrap();
    let read_only = |path: &Path, yes: bool| {
        use std::os::unix::fs::PermissionsExt;
        let folder_mode = if yes { 0o500 } else { 0o700 };
        let mode = if path.is_dir() { folder_mode } else { folder_mode & 0o600 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };

    read_only(&path_in(&folder), true);
    let file = fault(&path_in(&folder)).await;
    read_only(&path_in(&folder), false);
    read_only(folder.path(), true);
    let inside = fault(&path_in(&folder)).await;
    read_only(folder.path(), false);
    let nowhere = fault(&folder.path().join("no/such/outdial.db")).await;
    let a_folder = fault(folder.path()).await;

    for (error, remedy) in [
        (file, "is read-only: make it writable"),
        (inside, "make the folder writable"),
        (nowhere, "create it (mkdir -p)"),
        (a_folder, "let `database` name a file"),
    ] {
        let text = error.to_string();
        assert!(text.contains(remedy), "{text}");
        assert!(text.contains(&folder.path().display().to_string()), "{text}");
    }
    open(&folder).await;
}

#[tokio::test]
async fn a_database_that_sqlite_only_reads_is_refused_although_its_file_can_be_written() {
    use std::os::unix::fs::FileExt;
    let folder = tempfile::tempdir().unwrap();
    open(&folder).await.close().await.unwrap();
    // A write version above those that SQLite knows: it may read the file and must not write it (file format, 1.3.3).
    let file = std::fs::OpenOptions::new().write(true).open(path_in(&folder)).unwrap();
    file.write_all_at(&[3], 18).unwrap();
    let error = fault(&path_in(&folder)).await;
    assert!(matches!(error, StoreError::ReadOnlyFile(_)), "{error}");
}
