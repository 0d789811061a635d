//! What one decision of the pacer costs: 1,000 agents and 5,000 lines in flight, everything that is worked out now and then
//! worked out anew. It is to stay under two milliseconds.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use outdial::campaign::pacing::{AgentId, Dialing, Guess, Mode, Pacer, Presence};
use outdial::time::{Instant, Now, WallTime};
use std::hint::black_box;
use std::time::Duration;

fn at(ms: u64) -> Now {
    Now {
        instant: Instant::from_start(Duration::from_millis(ms)),
        wall: WallTime::from_unix_ms(1_795_424_400_000 + ms as i64),
    }
}

/// Half a minute of dialing behind it: nine agents of ten are talking, a fifth of the lines is being judged.
fn busy_pacer(agents: u32, lines: u64) -> Pacer {
    let dialing = Dialing { mode: Mode::Predictive, ..Dialing::default() };
    let mut pacer = Pacer::new(dialing, Guess::default(), at(0).instant);
    (0..10_000).for_each(|_| pacer.budget_mut().handle_person(at(0).wall, false));
    for agent in 0..agents {
        let began = at(u64::from(agent) * 24_000 / u64::from(agents)).instant;
        let presence = match agent % 20 {
            0 => Presence::Ready,
            1 => Presence::WrapUp,
            _ => Presence::Talking,
        };
        pacer.handle_agent(began, AgentId(agent), presence);
    }
    for line in 0..lines {
        let dialed_at = line * 24_000 / lines;
        let attempt = pacer.handle_dialed(at(dialed_at).instant);
        if line % 5 == 0 {
            pacer.handle_answered(at(24_000).instant, attempt);
        }
    }
    pacer
}

fn decide(criterion: &mut Criterion) {
    for (agents, lines) in [(10, 50), (100, 500), (1_000, 5_000)] {
        let pacer = busy_pacer(agents, lines);
        criterion.bench_function(&format!("decide, {agents} agents, {lines} lines"), |bencher| {
            bencher.iter_batched_ref(
                || pacer.clone(),
                |pacer| black_box(pacer.lines_wanted(at(25_000))),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);
