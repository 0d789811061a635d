//! Where a database is: a file of SQLite's, or a PostgreSQL server that several nodes share.

use super::pseudonym;
use serde::{Deserialize, Deserializer};
use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a server's URL begins with; anything else is a path.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where a database is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server(Server),
}

/// A PostgreSQL server, its user and its database. Printed without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    url: String,
    password: Option<String>,
    key: Option<PathBuf>,
    shown: String,
}

impl Location {
    /// Of a setting's text: `postgres://USER@HOST:PORT/DATABASE` or a path. The error says what is wrong with a URL.
    pub fn parse(text: &str) -> Result<Location, String> {
        if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            Server::parse(text).map(Location::Server)
        } else {
            Ok(Location::File(PathBuf::from(text)))
        }
    }

    /// The file of the key under which numbers are erased, if it is known where that would be.
    pub fn key(&self) -> Option<PathBuf> {
        match self {
            Location::File(path) => Some(pseudonym::beside(path)),
            Location::Server(server) => server.key.clone(),
        }
    }

    /// The file, of one that is a file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Location::File(path) => Some(path),
            Location::Server(_) => None,
        }
    }
}

impl Server {
    fn parse(url: &str) -> Result<Server, String> {
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            format!("not understood as a PostgreSQL URL ({error}): write postgres://USER@HOST:PORT/DATABASE")
        })?;
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        let (user, port) = (options.get_username(), options.get_port());
        let shown = format!("postgres://{user}@{host}:{port}/{database}");
        Ok(Server { url: url.to_owned(), password: None, key: None, shown })
    }

    /// With a password from elsewhere than the URL.
    pub fn with_password(mut self, password: String) -> Server {
        self.password = Some(password);
        self
    }

    /// With the file of the key under which numbers are erased. All nodes have the same.
    pub fn with_key(mut self, file: PathBuf) -> Server {
        self.key = Some(file);
        self
    }

    /// The same server, another schema of the same database.
    pub(super) fn with_schema(mut self, schema: &str) -> Server {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        self.url = format!("{}{mark}options[search_path]={schema}", self.url);
        self.shown = format!("{}, schema {schema}", self.shown);
        self
    }

    /// Whether the URL itself holds a password.
    pub fn has_password(&self) -> bool {
        let authority = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or("");
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
            || self.url.contains("password=")
    }

    /// How it is connected to.
    pub(super) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options = PgConnectOptions::from_str(&self.url)?;
        Ok(match &self.password {
            Some(password) => options.password(password),
            None => options,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => write!(f, "{}", path.display()),
            Location::Server(server) => write!(f, "{server}"),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Location {
        Location::File(path)
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Location {
        Location::File(path.clone())
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Location {
        Location::File(path.to_owned())
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Location {
        location.clone()
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Location, D::Error> {
        let text = String::deserialize(deserializer)?;
        Location::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_anything_else_a_file() {
        for url in ["postgres://ann:secret@db:5433/dialer", "postgresql://ann@db:5433/dialer?password=secret"]
        {
            let Ok(Location::Server(server)) = Location::parse(url) else { panic!("{url} is no server") };
            assert!(server.has_password(), "{url}");
            for shown in [format!("{server}"), format!("{server:?}")] {
                assert_eq!(shown, "postgres://ann@db:5433/dialer", "without the password");
            }
        }
        let Ok(Location::Server(server)) = Location::parse("postgres://ann@db/dialer") else {
            panic!("no server")
        };
        assert!(!server.has_password());
        assert_eq!(Location::parse("outdial.db"), Ok(Location::File("outdial.db".into())));
        assert!(Location::parse("postgres://db:port/x").unwrap_err().contains("USER@HOST"));
    }
}
