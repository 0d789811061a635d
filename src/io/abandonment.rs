//! The ledger of abandoned people, as a former run left it in the call records: a law that looks back over days does not
//! begin anew with each start.

use crate::campaign::Campaign;
use crate::campaign::pacing::budget::Day;
use crate::store::{Reader, StoreError};
use crate::time::{Now, WallTime};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// Puts the days of the law's window into the campaign's ledger, and how often people were taken for machines, as far as
/// labels tell.
pub async fn restore(campaign: &mut Campaign, reader: &mut Reader, now: Now) -> Result<(), StoreError> {
    let name = campaign.options().name.clone();
    let days = campaign.options().dialing.abandonment_window_days;
    let since = WallTime::from_unix_ms(now.wall.unix_ms() - i64::from(days) * DAY_MS);
    let answered = reader.answered_days(&name, since).await?;
    let labels = reader.tallies(Some(&name)).await?;
    let budget = campaign.pacer_mut().budget_mut();
    for day in answered {
        let (people, abandoned, machines) = (day.people, day.abandoned, day.machines);
        budget.remember(Day { day: day.day, people, abandoned, machines });
    }
    let (mut labelled, mut people) = (0, 0);
    for tally in labels.iter().filter(|tally| tally.verdict == "machine") {
        labelled += tally.labelled;
        people += tally.humans;
    }
    budget.handle_labels(labelled, people);
    Ok(())
}
