//! What a frame of 20 ms costs the detector: speech, a beep, silence; and speech with 200 prompts enrolled.

#[path = "../tests/prompts/babble.rs"]
mod babble;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outdial::amd::detector::{Detector, Mode, Options};
use outdial::amd::prompts::{Enrolment, Kind, Name};
use outdial::audio::{FRAME_SAMPLES, Frame, SILENT_FRAME, wav};
use std::hint::black_box;
use std::sync::Arc;

fn frames(criterion: &mut Criterion) {
    let speech = frames_of(include_bytes!("../fixtures/audio/machine-karen-beep.wav"));
    let fax = frames_of(include_bytes!("../fixtures/audio/fax-answering.wav"));
    let cases =
        [("speech and beep", speech), ("fax tone", fax), ("digital silence", vec![SILENT_FRAME; 500])];
    let mut group = criterion.benchmark_group("amd frame");
    for (name, frames) in cases {
        group.throughput(Throughput::Elements(frames.len() as u64));
        group.bench_function(name, |bencher| {
            let mut detector = Detector::new(&Options::default());
            bencher.iter(|| {
                detector.reset(Mode::Answer);
                for frame in &frames {
                    detector.handle_frame(Some(frame), &mut |finding| {
                        black_box(finding);
                    });
                }
            });
        });
    }
    let mut enrolment = Enrolment::new();
    for seed in 0..200 {
        let name = Name::new(&format!("babble {seed}")).expect("a short name");
        enrolment.add(Kind::Machine, name, &babble::babble(seed, 10)).expect("babble can be enrolled");
    }
    let options = Options { prompts: Arc::new(enrolment.finish()), ..Options::default() };
    let frames = frames_of(include_bytes!("../fixtures/audio/machine-karen-beep.wav"));
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("speech and beep, 200 prompts enrolled", |bencher| {
        let mut detector = Detector::new(&options);
        bencher.iter(|| {
            detector.reset(Mode::Answer);
            for frame in &frames {
                detector.handle_frame(Some(frame), &mut |finding| {
                    black_box(finding);
                });
            }
        });
    });
    group.finish();
}

fn frames_of(file: &[u8]) -> Vec<Frame> {
    let clip = wav::read(file).expect("the fixture can be read");
    clip.samples.chunks_exact(FRAME_SAMPLES).map(|frame| frame.try_into().expect("a whole frame")).collect()
}

criterion_group!(benches, frames);
criterion_main!(benches);
