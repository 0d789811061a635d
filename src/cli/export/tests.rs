//! Cells in both forms, and whole exports beside a running engine.

use super::*;
use crate::record::CampaignState;
use crate::store::tests::{CAMPAIGN, attempt, import, new_contact, one_call, open, path_in};
use tempfile::TempDir;

#[test]
fn a_cell_that_a_spreadsheet_would_run_is_defused() {
    for (kind, text, cell) in [
        (Kind::Text, "=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
        (Kind::Text, "+1+1", "'+1+1"),
        (Kind::Text, "-2", "'-2"),
        (Kind::Text, "@SUM(A1)", "'@SUM(A1)"),
        (Kind::Text, "\t=1", "'\t=1"),
        (Kind::Text, "\r=1", "'\r=1"),
        (Kind::Text, "Ann = Bob", "Ann = Bob"),
        (Kind::Text, "+12025550101", "'+12025550101"),
        (Kind::Number, "+12025550101", "+12025550101"),
        (Kind::Number, "+1-cmd", "'+1-cmd"),
        (Kind::Json, "{\"a\":\"=1\"}", "{\"a\":\"=1\"}"),
    ] {
        assert_eq!(csv_cell(kind, &Cell::Text(text.to_owned())), cell, "{text:?}");
    }
}

#[test]
fn times_are_utc_with_milliseconds_and_absent_ones_are_empty_or_null() {
    let time = Cell::Integer(1_700_000_000_007);
    assert_eq!(csv_cell(Kind::Time, &time), "2023-11-14T22:13:20.007Z");
    assert_eq!(json_cell(Kind::Time, &time), "\"2023-11-14T22:13:20.007Z\"");
    assert_eq!(csv_cell(Kind::Time, &Cell::Absent), "");
    assert_eq!(json_cell(Kind::Time, &Cell::Absent), "null");
    assert_eq!(csv_cell(Kind::Integer, &Cell::Integer(-5)), "-5");
}

#[test]
fn the_database_of_a_configuration_is_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("outdial.toml");
    let args = |text: &str| {
        std::fs::write(&config, text).unwrap();
        database_of(&Args {
            table: TableName::Calls,
            config: Some(config.clone()),
            database: None,
            format: Format::Csv,
            campaign: None,
            output: None,
        })
    };
    assert_eq!(
        args("[engine]\ndatabase = \"a.db\"\n[sip]\nlisten = 1").unwrap(),
        folder.path().join("a.db").into()
    );
    assert_eq!(args("[engine]\ndatabase = \"/var/a.db\"").unwrap(), Path::new("/var/a.db").into());
    assert_eq!(args("").unwrap(), folder.path().join("outdial.db").into());
    assert!(matches!(args("[engine"), Err(ExportError::Config(..))));
}

fn args(folder: &TempDir, table: TableName, format: Format) -> Args {
    Args {
        table,
        config: None,
        database: Some(path_in(folder).into()),
        format,
        campaign: None,
        output: Some(folder.path().join("out")),
    }
}

fn output(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("out")).unwrap()
}

#[tokio::test]
async fn exports_work_while_the_engine_holds_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let _running = one_call(&folder).await;

    assert_eq!(run(&args(&folder, TableName::Calls, Format::Csv)).await.unwrap(), 1);
    let text = output(&folder);
    let (header, row) = text.trim_end().split_once('\n').unwrap();
    assert!(
        header.starts_with("attempt,contact,campaign,number,caller_id,trunk,call_id,disposition,dialed_at,")
    );
    let expected = format!(
        "{},1,spring,+12020000000,+12025550100,carrier,call-1,busy,1970-01-01T00:00:01.000Z,\
         1970-01-01T00:00:01.001Z,1970-01-01T00:00:01.002Z,,1970-01-01T00:00:01.003Z,,,,,,,,,,\
         1970-01-01T00:00:09.000Z,callee,200,16,'=Normal; call clearing,,,,PCMU,9223372036854775807,400,1,,12.5,,,9,,,,,",
        attempt(1)
    );
    assert_eq!(row, expected);

    assert_eq!(run(&args(&folder, TableName::Attempts, Format::Csv)).await.unwrap(), 2);
    let expected = format!(
        "attempt,contact,campaign,number,started_at,invites,trunks,call_ids,disposition,ended_at,decision\n\
         {},1,spring,+12020000000,1970-01-01T00:00:01.000Z,2,carrier carrier,a@host b@host,busy,1970-01-01T00:00:09.000Z,\n\
         {},2,spring,+12020000001,1970-01-01T00:00:01.000Z,1,carrier,c@host,,,\n",
        attempt(1),
        attempt(2)
    );
    assert_eq!(output(&folder), expected);

    assert_eq!(run(&args(&folder, TableName::Contacts, Format::Jsonl)).await.unwrap(), 2);
    assert_eq!(
        output(&folder).lines().next().unwrap(),
        "{\"contact\":1,\"campaign\":\"spring\",\"number\":\"+12020000000\",\"name\":\"Ann 0\",\"comment\":null,\
         \"state\":\"pending\",\"attempts\":1,\"last_disposition\":\"busy\",\
         \"last_dialed_at\":\"1970-01-01T00:00:01.000Z\",\"next_attempt_at\":\"1970-01-01T00:01:00.000Z\",\
         \"last_reason\":null,\"attributes\":{\"city\":\"No. 0\"}}"
    );
}

#[tokio::test]
async fn every_line_of_json_lines_is_an_object_with_all_columns() {
    let folder = tempfile::tempdir().unwrap();
    one_call(&folder).await.close().await.unwrap();
    for (name, table) in [
        (TableName::Contacts, Table::Contacts),
        (TableName::Attempts, Table::Attempts),
        (TableName::Calls, Table::Calls),
    ] {
        run(&args(&folder, name, Format::Jsonl)).await.unwrap();
        for line in output(&folder).lines() {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            assert_eq!(object.len(), table.columns().len());
        }
    }
}

#[tokio::test]
async fn an_export_goes_over_many_pages_without_loss_or_repetition() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder).await;
    import(&mut store, 0..2_500).await;
    store.import_contacts("autumn", (0..10).map(new_contact)).await.unwrap();
    let mut args = args(&folder, TableName::Contacts, Format::Csv);
    args.campaign = Some(CAMPAIGN.to_owned());
    assert_eq!(run(&args).await.unwrap(), 2_500);
    let ids: Vec<u32> = output(&folder)
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids, (1..=2_500).collect::<Vec<_>>());
}

#[tokio::test]
async fn faults_of_an_export_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let calls = args(&folder, TableName::Calls, Format::Csv);
    assert!(matches!(run(&calls).await, Err(ExportError::Store(StoreError::Missing(_)))));
    open(&folder).await.save_campaign(CAMPAIGN, CampaignState::Draft).await.unwrap();

    let unknown = Args { campaign: Some("sprung".to_owned()), ..calls.clone() };
    assert_eq!(
        run(&unknown).await.unwrap_err().to_string(),
        "there is no campaign \"sprung\": there are spring"
    );
    for suffix in ["", "-wal", ".lock"] {
        let output = PathBuf::from(format!("{}{suffix}", path_in(&folder).display()));
        if output.exists() {
            let onto = Args { output: Some(output), ..calls.clone() };
            assert!(matches!(run(&onto).await, Err(ExportError::OutputIsDatabase(_))));
        }
    }
    let nowhere = Args { output: Some(folder.path().join("no/such")), ..calls };
    assert!(matches!(run(&nowhere).await, Err(ExportError::Output(..))));
}
