//! Where the database is, with its password from a file.

use crate::io::secret;
use crate::store::Location;
use std::path::Path;

/// A file seen from the configuration's folder, or a server with the password that `database_password_file` holds and the
/// place of the key that `database_key_file` names. The error names the setting.
pub fn settle(
    database: Location,
    password_file: Option<&Path>,
    key_file: Option<&Path>,
    config: &Path,
) -> Result<Location, (&'static str, String)> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let database = match (database, key_file) {
        (Location::Server(server), Some(file)) => Location::Server(server.with_key(folder.join(file))),
        (database, _) => database,
    };
    match (database, password_file) {
        (Location::File(path), _) => Ok(Location::File(folder.join(path))),
        (Location::Server(server), Some(file)) => {
            let password =
                secret::read(&folder.join(file)).map_err(|text| ("database_password_file", text))?;
            Ok(Location::Server(server.with_password(password)))
        }
        (Location::Server(server), None) => {
            if server.has_password() {
                secret::owner_only(config).map_err(|text| ("database", text))?;
            }
            Ok(Location::Server(server))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_read_only_from_where_nobody_else_can() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("outdial.toml");
        let secret = folder.path().join("secret");
        std::fs::write(&config, "").unwrap();
        std::fs::write(&secret, "much\n").unwrap();
        let open = Location::parse("postgres://ann@db/dialer").unwrap();
        let told = Location::parse("postgres://ann:much@db/dialer").unwrap();
        for (mode, readable) in [(0o600, true), (0o644, false)] {
            for file in [&config, &secret] {
                std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            assert_eq!(settle(open.clone(), Some(Path::new("secret")), None, &config).is_ok(), readable);
            assert_eq!(settle(told.clone(), None, None, &config).is_ok(), readable);
            assert!(settle(open.clone(), None, None, &config).is_ok(), "there is no password to be read");
        }
    }

    #[test]
    fn a_file_is_seen_from_the_configurations_folder() {
        let settled =
            settle(Location::File("a.db".into()), None, None, Path::new("/etc/outdial/outdial.toml"));
        assert_eq!(settled, Ok(Location::File("/etc/outdial/a.db".into())));
    }
}
