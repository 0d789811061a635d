//! Reading beside a running engine.

use super::*;
use crate::store::Reader;

#[tokio::test]
async fn a_reader_counts_beside_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = one_call(&folder).await;
    let mut reader = Reader::open(&path_in(&folder)).await.unwrap();
    assert_eq!(reader.counts(CAMPAIGN).await.unwrap(), store.counts(CAMPAIGN).await.unwrap());
    assert_eq!(reader.campaigns().await.unwrap(), [(CAMPAIGN.to_owned(), CampaignState::Draft)]);
    import(&mut store, 0..5).await;
    assert_eq!(reader.counts(CAMPAIGN).await.unwrap().contacts(), 5);
}
