//! How many datagrams a socket is asked for in its stream's 20 ms: as many as its peer usually sends, and no question more.
//!
//! To ask an empty socket costs a fifth of what a packet costs, and with packets every 20 ms one question finds one packet.
//! What did not come in its turn is owed, and is asked for with the next; every eighth turn the socket is read to its end,
//! which also shows peers that send more often. No turn reads more than [`READS_MAX`], whatever floods the port; what waited
//! while nobody listened is read beside it, and bounded by its own room ([`crate::media::waiting::WAITING_MAX`]).
//!
//! But what was held up on its way and comes in a burst is to be heard in its time. So each turn that finds the socket empty
//! earns some more datagrams, to be read when more than the usual wait; a flood has used them up after a few turns.

/// Datagrams that one turn may read: with sweeps, a flood costs no more than four or five in 20 ms.
const READS_MAX: u8 = 8;

/// Datagrams that one turn may read of what was earned beside the others: a burst of a second takes three turns.
const BURST_MAX: u8 = 24;

/// What a turn earns that finds the socket empty, and how much there is at most: four turns of a burst.
const EARNED: u8 = 2;
const EARNED_MAX: u8 = 96;

/// Datagrams a turn that a peer may usually send: packets of 5 ms.
const USUAL_MAX: u8 = 4;

/// Turns from one sweep to the next: 160 ms.
const SWEEP: u8 = 8;

/// The pace of one socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// What the peer sends in a turn.
    usual: u8,
    /// What has not come in its turn.
    owed: u8,
    /// Counts to [`SWEEP`].
    turn: u8,
    /// Read in this turn.
    reads: u8,
    /// Nothing more is to be had in this turn.
    empty: bool,
    /// All that was owed came, and perhaps more waits behind it.
    suspect: bool,
    /// Read since the last sweep.
    counted: u8,
    /// Datagrams beyond [`READS_MAX`] that may be read yet.
    earned: u8,
}

impl Pace {
    /// Of a new socket; `number` spreads the sweeps.
    pub fn new(number: usize) -> Self {
        let turn = (number % usize::from(SWEEP)) as u8;
        Pace {
            usual: 1,
            owed: READS_MAX,
            turn,
            reads: 0,
            empty: false,
            suspect: false,
            counted: 0,
            earned: 0,
        }
    }

    /// Whether to ask once more; false ends the turn.
    pub fn may_read(&mut self) -> bool {
        if !self.empty && self.reads < self.limit() {
            return true;
        }
        self.end_turn();
        false
    }

    /// A datagram was read.
    pub fn handle_datagram(&mut self) {
        self.reads += 1;
        self.counted += 1;
        if self.reads > READS_MAX {
            self.earned = self.earned.saturating_sub(1);
        }
        if self.reads > self.usual {
            self.owed = self.owed.saturating_sub(1);
        }
    }

    /// What waited was read at once; `whole`: to its end.
    pub fn handle_all(&mut self, whole: bool) {
        // What was not there yet is owed. A whole sweep's time is counted anew.
        let owed = if whole { self.usual } else { READS_MAX };
        *self = Pace { usual: self.usual, owed, earned: self.earned, ..Pace::new(1) };
        if whole {
            self.earn();
        }
    }

    /// So many turns passed in which nothing was asked for: all that came is still there.
    pub fn handle_missed(&mut self, turns: u32) {
        let earned = turns.saturating_mul(u32::from(EARNED)).min(u32::from(EARNED_MAX)) as u8;
        self.earned = self.earned.max(earned);
        self.suspect = true;
    }

    /// There was none.
    pub fn handle_empty(&mut self) {
        self.empty = true;
        let missing = self.usual.saturating_sub(self.reads);
        // A packet that has not come within a sweep is lost rather than late.
        let owed = if self.turn == 0 { 0 } else { self.owed };
        self.owed = (owed + missing).min(READS_MAX);
    }

    fn limit(&self) -> u8 {
        if self.is_burst() {
            return BURST_MAX;
        }
        match self.turn == 0 || self.suspect {
            true => READS_MAX,
            false => (self.usual + self.owed).min(READS_MAX),
        }
    }

    /// More waits than any peer sends in a turn, and more of it may be read.
    fn is_burst(&self) -> bool {
        self.reads >= READS_MAX && self.earned > 0
    }

    fn earn(&mut self) {
        self.earned = (self.earned + EARNED).min(EARNED_MAX);
    }

    fn end_turn(&mut self) {
        // One turn of doubt for what was owed; a flood has no end to be read to.
        let doubt = !self.suspect && self.turn != 0 && self.reads > self.usual;
        self.suspect = !self.empty && (doubt || self.is_burst());
        if self.empty {
            self.earn();
        }
        if self.turn == 0 {
            self.usual = ((self.counted + SWEEP - 2) / SWEEP).clamp(1, USUAL_MAX);
            self.counted = 0;
        }
        self.turn = (self.turn + 1) % SWEEP;
        (self.reads, self.empty) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays what arrives in each turn; tells datagrams read and questions asked in each.
    fn play(pace: &mut Pace, arrivals: &[u32]) -> Vec<(u32, u32)> {
        let mut waiting = 0;
        let turn = |arrived: &u32| {
            waiting += arrived;
            let (mut read, mut asked) = (0, 0);
            while pace.may_read() {
                asked += 1;
                if waiting > 0 {
                    waiting -= 1;
                    read += 1;
                    pace.handle_datagram();
                } else {
                    pace.handle_empty();
                }
            }
            (read, asked)
        };
        arrivals.iter().map(turn).collect()
    }

    #[test]
    fn a_steady_peer_is_asked_once_a_turn_and_once_more_every_eighth() {
        let mut pace = Pace::new(0);
        play(&mut pace, &[1; 16]);
        let asked: u32 = play(&mut pace, &[1; 80]).iter().map(|(_, asked)| asked).sum();
        assert_eq!(asked, 80 + 10);
    }

    #[test]
    fn what_came_late_is_read_with_the_next_and_a_burst_to_its_end() {
        let mut pace = Pace::new(0);
        play(&mut pace, &[1; 17]);
        assert_eq!(play(&mut pace, &[0, 2, 1, 1]), [(0, 1), (2, 2), (1, 2), (1, 1)]);
        let mut pace = Pace::new(0);
        play(&mut pace, &[1; 20]);
        let read: Vec<u32> =
            play(&mut pace, &[0, 0, 0, 0, 0, 6, 1, 1]).iter().map(|(read, _)| *read).collect();
        assert_eq!(read[5..].iter().sum::<u32>(), 8, "{read:?}");
        assert!(read[5] + read[6] >= 7, "{read:?}");
    }

    #[test]
    fn after_all_was_read_at_once_what_was_late_is_not_left_behind() {
        let mut pace = Pace::new(3);
        play(&mut pace, &[1; 17]);
        pace.handle_all(true);
        assert_eq!(play(&mut pace, &[2, 1, 1]), [(2, 2), (1, 2), (1, 1)]);
    }

    #[test]
    fn after_all_was_read_at_once_a_peer_of_short_packets_is_kept_up_with() {
        for (usual, before) in [2, 4].into_iter().flat_map(|usual| (0..8).map(move |before| (usual, before)))
        {
            let mut pace = Pace::new(3);
            play(&mut pace, &vec![usual; 32 + before]);
            pace.handle_all(true);
            assert_eq!(play(&mut pace, &[0])[0].0, 0);
            let turns = play(&mut pace, &[usual; 32]);
            assert!(turns.iter().all(|(read, _)| *read == usual), "{usual} after {before}: {turns:?}");
        }
    }

    #[test]
    fn what_was_not_read_to_its_end_is_read_in_two_turns() {
        let mut pace = Pace::new(3);
        play(&mut pace, &[1; 17]);
        pace.handle_all(false);
        let read: Vec<u32> = play(&mut pace, &[7, 1, 1]).iter().map(|(read, _)| *read).collect();
        assert_eq!(read, [5, 3, 1]);
    }

    #[test]
    fn packets_of_ten_milliseconds_are_kept_up_with() {
        let mut pace = Pace::new(3);
        play(&mut pace, &[2; 32]);
        assert!(play(&mut pace, &[2; 64]).iter().all(|(read, _)| *read == 2));
    }

    #[test]
    fn a_flood_is_read_no_faster_than_five_in_a_turn() {
        let mut pace = Pace::new(0);
        let turns = play(&mut pace, &[400; 80]);
        let read: u32 = turns.iter().map(|(read, _)| read).sum();
        assert!(read <= 80 * 5, "{read}");
        assert!(turns.iter().all(|(read, _)| *read <= 8));
    }

    #[test]
    fn what_was_held_up_for_a_second_is_read_in_four_turns_whenever_it_comes() {
        for (held, usual) in [(10, 1), (20, 1), (50, 1), (60, 1), (50, 2)] {
            for before in 0..16 {
                let mut pace = Pace::new(0);
                play(&mut pace, &vec![usual; 32 + before]);
                let silent = vec![0; (held / usual) as usize];
                play(&mut pace, &silent);
                let turns = play(&mut pace, &[held, usual, usual, usual, usual]);
                assert!(turns.iter().all(|(read, _)| *read <= 24), "{turns:?}");
                let soon: u32 = turns[..4].iter().map(|(read, _)| read).sum();
                assert!(soon >= held + 3 * usual - 1, "{held} of {usual} after {before}: {turns:?}");
            }
        }
    }

    #[test]
    fn what_came_while_nobody_asked_is_read_at_once() {
        for missed in [11, 50] {
            let mut pace = Pace::new(3);
            play(&mut pace, &[1; 17]);
            pace.handle_missed(missed);
            let turns = play(&mut pace, &[missed, 1, 1]);
            let read: u32 = turns.iter().map(|(read, _)| read).sum();
            assert_eq!((turns[0].0, read), (missed.min(24), missed + 2), "{turns:?}");
        }
    }

    #[test]
    fn a_flood_that_begins_in_a_call_is_read_no_faster_than_one_from_the_start() {
        let mut pace = Pace::new(0);
        play(&mut pace, &[1; 800]);
        let turns = play(&mut pace, &[400; 160]);
        let read = |turns: &[(u32, u32)]| turns.iter().map(|(read, _)| read).sum::<u32>();
        assert!(read(&turns[..80]) <= 80 * 5 + 96 && read(&turns[80..]) <= 80 * 5, "{turns:?}");
    }

    #[test]
    fn a_silent_peer_costs_one_question_a_turn() {
        let mut pace = Pace::new(5);
        assert!(play(&mut pace, &[0; 64]).iter().all(|(_, asked)| *asked == 1));
    }
}
