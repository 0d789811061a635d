//! The schema: made at the first run, found again, and left alone when it is a newer program's.

use super::*;
use crate::store::StoreError;

#[tokio::test]
async fn the_first_run_creates_it_and_later_runs_find_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..3).await;
    store.save_campaign(CAMPAIGN, CampaignState::Paused).await.unwrap();
    store.close().await.unwrap();

    let mut store = open(&folder).await;
    assert_eq!(store.campaign_state(CAMPAIGN).await.unwrap(), Some(CampaignState::Paused));
    assert_eq!(store.campaign_state("autumn").await.unwrap(), None);
    assert_eq!(store.counts(CAMPAIGN).await.unwrap().pending, 3);
}

#[tokio::test]
async fn a_newer_schema_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    query("INSERT INTO schema_versions (version) VALUES (999)").execute(&mut store.connection).await.unwrap();
    store.close().await.unwrap();
    let error = Store::open(path_in(&folder)).await.err().expect("it is too new");
    assert!(matches!(error, StoreError::NewerSchema { found: 999, .. }), "{error}");
}
