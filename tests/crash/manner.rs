//! What whoever is called does: in the last digit of the number, or of an agent's extension.

/// What becomes of a call if nobody ends it before; times are from the INVITE.
pub struct Manner {
    /// The first provisional response and its status.
    pub rings: Option<(u64, u16)>,
    /// The final response to the INVITE.
    pub answers: Option<(u64, u16)>,
    /// Who was called hangs up.
    pub leaves_ms: Option<u64>,
}

/// Numbers that begin so are answered soon, for there are agents who wait for them.
pub const SOON: &str = "+1202558";

/// Extensions of agents begin so.
pub const AGENT: &str = "agent-";

fn of(rings: Option<(u64, u16)>, answers: Option<(u64, u16)>, leaves_ms: Option<u64>) -> Manner {
    Manner { rings, answers, leaves_ms }
}

/// Of the user part of a Request-URI.
pub fn manner(user: &str) -> Manner {
    let digit = user.as_bytes().last().map_or(0, |digit| digit - b'0');
    match user {
        user if user.starts_with(AGENT) => of_agent(digit),
        user if user.starts_with(SOON) => of_soon(digit, user),
        user => of_callee(digit, user),
    }
}

fn of_callee(digit: u8, number: &str) -> Manner {
    match digit {
        0 => of(None, Some((60, 486)), None),
        1 => of(Some((20, 180)), Some((350, 200)), Some(900)),
        // The engine has to hang up.
        2 => of(Some((20, 180)), Some((400, 200)), None),
        // It rings until the engine gives up.
        3 if number.ends_with("03") || number.ends_with("53") => of(Some((30, 180)), None, None),
        3 => of(Some((30, 180)), Some((1_200, 480)), None),
        // It does not even ring.
        4 => of(Some((30, 100)), Some((900, 480)), None),
        5 => of(Some((300, 180)), Some((700, 200)), Some(1_100)),
        6 => of(Some((30, 183)), Some((300, 480)), None),
        7 => of(Some((10, 180)), Some((500, 603)), None),
        8 => of(Some((50, 180)), Some((600, 200)), Some(700)),
        _ => of(Some((50, 183)), Some((450, 200)), None),
    }
}

fn of_soon(digit: u8, number: &str) -> Manner {
    match digit {
        0 => of(None, Some((60, 486)), None),
        1 => of(Some((20, 180)), Some((60, 200)), Some(2_500)),
        3 if number.ends_with("03") => of(Some((30, 180)), None, None),
        // Whoever answers here has gone before an agent can come, or while one is being rung.
        3 => of(Some((30, 180)), Some((80, 200)), Some(200)),
        4 => of(Some((20, 180)), Some((150, 200)), Some(500)),
        5 => of(Some((20, 183)), Some((80, 200)), None),
        6 => of(Some((30, 180)), Some((120, 200)), Some(1_000)),
        7 => of(Some((10, 180)), Some((300, 603)), None),
        8 => of(None, Some((90, 200)), None),
        _ => of(Some((50, 180)), Some((200, 200)), None),
    }
}

/// Every agent who answers leaves at some time: some callees never do.
fn of_agent(digit: u8) -> Manner {
    match digit {
        0 => of(Some((20, 180)), Some((60, 200)), Some(500)),
        1 => of(Some((20, 180)), Some((300, 200)), Some(900)),
        // Nobody is at this phone.
        2 => of(Some((40, 180)), None, None),
        3 => of(None, Some((50, 486)), None),
        4 => of(Some((10, 180)), Some((120, 200)), Some(1_500)),
        5 => of(Some((30, 183)), Some((200, 200)), Some(700)),
        6 => of(None, Some((90, 200)), Some(600)),
        _ => of(Some((30, 180)), Some((500, 200)), Some(1_200)),
    }
}
