//! Why a command failed, and with which exit status.

use crate::io::config::Fault;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The configuration, or a file that it names, is faulty. Exit status 3.
    Faults {
        /// The configuration file.
        file: PathBuf,
        /// Each fault.
        faults: Vec<Fault>,
    },
    /// It went wrong. Exit status 1.
    Failed(String),
    /// It went wrong in a way that has an exit status of its own.
    Ended {
        /// The status.
        status: u8,
        /// How.
        text: String,
    },
    /// It went wrong and everything has been said already. Exit status 1.
    Said,
}

impl Failure {
    /// Faults of a configuration file.
    pub fn faults(file: &Path, faults: Vec<Fault>) -> Self {
        Failure::Faults { file: file.to_owned(), faults }
    }

    /// Tells people on standard error, and gives the exit status.
    pub fn report(&self) -> ExitCode {
        match self {
            Failure::Faults { file, faults } => {
                for fault in faults {
                    match fault.line {
                        0 => eprintln!("{}: {}", file.display(), fault.text),
                        line => eprintln!("{}:{line}: {}", file.display(), fault.text),
                    }
                }
                ExitCode::from(3)
            }
            Failure::Failed(text) => {
                eprintln!("outdial: {text}");
                ExitCode::FAILURE
            }
            Failure::Ended { status, text } => {
                eprintln!("outdial: {text}");
                ExitCode::from(*status)
            }
            Failure::Said => ExitCode::FAILURE,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Failed(error.to_string())
    }
}
