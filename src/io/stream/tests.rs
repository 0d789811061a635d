//! Connections over the loopback, and a conversation's clock without one.

use super::*;
use crate::io::tls::tests::{Authority, VALID, client, server, uri};
use crate::sip::endpoint::Local;
use tokio::net::TcpListener;

const OPTIONS: &[u8] = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 0\r\n\r\n";

fn target(transport: Transport, address: SocketAddr) -> Target {
    Target::new(transport, address)
}

fn streams(tls: Tls) -> (Streams, mpsc::Receiver<StreamEvent>) {
    let (events, told) = mpsc::channel(64);
    let table = AccessTable::new(vec![Local::new("127.0.0.1:5060".parse().unwrap())]);
    (Streams::new(vec!["127.0.0.1".parse().unwrap()], table, tls, events), told)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Both ends of a connection.
async fn pair(listener: &TcpListener) -> (TcpStream, TcpStream, SocketAddr) {
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, address) = listener.accept().await.unwrap();
    (near, far, address)
}

/// One that was made to us: the peer's end, who it is, and what we know of it.
async fn accepted() -> (TcpStream, Target, Streams, mpsc::Receiver<StreamEvent>) {
    let (listener, _) = listener().await;
    let (near, far, address) = pair(&listener).await;
    let peer = target(Transport::Tcp, address);
    let (mut streams, told) = streams(Tls::none());
    streams.accept(far, peer);
    (near, peer, streams, told)
}

#[tokio::test]
async fn the_end_of_a_connection_leaves_the_one_that_replaced_it_alone() {
    let (listener, address) = listener().await;
    let peer = target(Transport::Tcp, address);
    let (mut streams, mut told) = streams(Tls::none());
    assert!(streams.send(peer, b"first".to_vec()));
    let (first, _) = listener.accept().await.unwrap();
    drop(first);
    let Some(StreamEvent::Closed { .. }) = told.recv().await else { panic!("the connection has ended") };
    // A message is sent before the loop has come to what it was told.
    assert!(streams.send(peer, b"second".to_vec()));
    assert!(!streams.forget(peer), "there is a newer connection");
    let (mut second, _) = listener.accept().await.unwrap();
    let mut heard = [0; 6];
    second.read_exact(&mut heard).await.unwrap();
    assert!(streams.send(peer, b"third!".to_vec()));
    second.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"third!");
    drop(second);
    let Some(StreamEvent::Closed { loss: Loss::Unheard, .. }) = told.recv().await else {
        panic!("it has ended")
    };
    assert!(streams.forget(peer), "none is left");
}

#[tokio::test]
async fn a_connection_is_used_in_both_directions_and_its_pings_are_answered() {
    let (mut near, peer, mut streams, mut told) = accepted().await;
    near.write_all(OPTIONS).await.unwrap();
    let Some(StreamEvent::Message { source, bytes }) = told.recv().await else { panic!("a message came") };
    assert_eq!((source, bytes.as_slice()), (peer, OPTIONS));
    assert!(streams.send(peer, b"an answer".to_vec()));
    let mut heard = [0; 9];
    near.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"an answer");
    near.write_all(KEEP_ALIVE).await.unwrap();
    let mut pong = [0; 2];
    near.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, PONG);
    assert_eq!(streams.len(), 1);
}

#[tokio::test]
async fn who_has_said_all_is_still_answered_and_nothing_else_goes_there() {
    let (mut near, peer, mut streams, mut told) = accepted().await;
    near.write_all(&[OPTIONS, OPTIONS].concat()).await.unwrap();
    near.shutdown().await.unwrap();
    for _ in 0..2 {
        let Some(StreamEvent::Message { .. }) = told.recv().await else { panic!("a message came") };
    }
    // The end of the stream may be seen before or behind either answer.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answers: [&[u8]; 3] = [b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 200 OK\r\n", b"SIP/2.0 200 OK\r\n"];
    for answer in answers {
        assert!(streams.send(peer, answer.to_vec()));
    }
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, answers.concat());
    let Some(StreamEvent::Closed { loss: Loss::Broken, .. }) = told.recv().await else {
        panic!("it has ended")
    };
    assert!(streams.forget(peer));
}

#[tokio::test]
async fn a_request_does_not_go_to_who_has_said_all() {
    let (mut near, peer, mut streams, mut told) = accepted().await;
    near.write_all(OPTIONS).await.unwrap();
    near.shutdown().await.unwrap();
    let Some(StreamEvent::Message { .. }) = told.recv().await else { panic!("a message came") };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!streams.send(peer, OPTIONS.to_vec()), "whoever asks it is told at once");
    assert!(streams.send(peer, b"SIP/2.0 200 OK\r\n".to_vec()));
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"SIP/2.0 200 OK\r\n");
    let Some(StreamEvent::Closed { .. }) = told.recv().await else { panic!("it has ended") };
}

#[tokio::test]
async fn a_peer_that_we_have_connected_to_is_gone_when_it_closes_whatever_it_is_owed() {
    let (listener, address) = listener().await;
    let peer = target(Transport::Tcp, address);
    let (mut streams, mut told) = streams(Tls::none());
    assert!(streams.send(peer, OPTIONS.to_vec()));
    let (mut far, _) = listener.accept().await.unwrap();
    far.write_all(OPTIONS).await.unwrap();
    let Some(StreamEvent::Message { .. }) = told.recv().await else { panic!("a message came") };
    far.shutdown().await.unwrap();
    let within = timeout(Duration::from_secs(1), told.recv()).await.expect("what waits for it fails at once");
    assert!(matches!(within, Some(StreamEvent::Closed { loss: Loss::Broken, .. })));
    assert!(streams.forget(peer));
}

#[tokio::test]
async fn a_refused_connection_is_told_as_one() {
    // Bound, so that nobody else is given the port, and not listening.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = deaf.local_addr().unwrap();
    let (mut streams, mut told) = streams(Tls::none());
    assert!(streams.send(target(Transport::Tcp, address), b"nobody hears".to_vec()));
    let Some(StreamEvent::Closed { loss: Loss::Refused, .. }) = told.recv().await else {
        panic!("nobody listens")
    };
}

#[tokio::test]
async fn messages_go_over_tls_both_ways_and_to_nobody_but_the_domain() {
    let authority = Authority::new();
    let files = authority.issue("pbx", &[uri("sip:pbx.example")], VALID);
    let trusting = crate::io::tls::Files { ca_file: Some(authority.ca_file()), ..Default::default() };
    for (domain, is_let_in) in [("pbx.example", true), ("evil.example", false)] {
        let (listener, address) = listener().await;
        let mut table = AccessTable::new(vec![Local::new("127.0.0.1:5060".parse().unwrap())]);
        let access = crate::sip::endpoint::Access { domain: domain.into(), ..Default::default() };
        let access = table.add(access);
        let settings =
            crate::io::tls::Settings { trunks: vec![(access, trusting.clone())], ..Default::default() };
        let (events, mut told) = mpsc::channel(64);
        let local = vec!["127.0.0.1".parse().unwrap()];
        let mut ours = Streams::new(local, table, Tls::load(settings).unwrap(), events);
        let (mut theirs, mut heard) = streams(server(&files, &[]));
        let trunk = Target { access, ..target(Transport::Tls, address) };
        assert!(ours.send(trunk, OPTIONS.to_vec()));
        let (stream, from) = listener.accept().await.unwrap();
        theirs.accept(stream, target(Transport::Tls, from));
        if !is_let_in {
            let Some(StreamEvent::Closed { loss: Loss::Refused, target }) = told.recv().await else {
                panic!("another's certificate was taken")
            };
            assert_eq!(target, trunk);
            continue;
        }
        let Some(StreamEvent::Message { source, bytes }) = heard.recv().await else {
            panic!("a message came")
        };
        assert_eq!((source.transport, bytes.as_slice()), (Transport::Tls, OPTIONS));
        assert!(theirs.send(source, OPTIONS.to_vec()), "the answer takes the same connection");
        let Some(StreamEvent::Message { source, .. }) = told.recv().await else { panic!("an answer came") };
        assert_eq!(source, trunk);
    }
    drop(client(trusting));
}

#[tokio::test]
async fn fault_25_those_who_connect_and_say_nothing_make_room_for_those_who_speak() {
    let (listener, _) = listener().await;
    let (mut streams, mut told) = streams(Tls::none());
    let (mut speaker, far, address) = pair(&listener).await;
    streams.accept(far, target(Transport::Tcp, address));
    speaker.write_all(OPTIONS).await.unwrap();
    let Some(StreamEvent::Message { .. }) = told.recv().await else { panic!("a message came") };
    let mut silent = Vec::new();
    for _ in 0..3 * CONNECTIONS_A_SOURCE {
        let (near, far, address) = pair(&listener).await;
        streams.accept(far, target(Transport::Tcp, address));
        silent.push(near);
        tokio::task::yield_now().await;
        while told.try_recv().is_ok() {}
        assert!(streams.len() <= CONNECTIONS_A_SOURCE, "{} connections of one address", streams.len());
    }
    // The oldest of the silent are closed, the one that has spoken is there.
    assert_eq!(silent[0].read(&mut [0; 1]).await.unwrap(), 0);
    assert!(streams.send(target(Transport::Tcp, speaker.local_addr().unwrap()), b"hello".to_vec()));
    let mut heard = [0; 5];
    speaker.read_exact(&mut heard).await.unwrap();
}

#[tokio::test]
async fn a_trunk_that_leaves_its_connections_open_is_let_in_all_the_same() {
    let (listener, _) = listener().await;
    let (mut streams, mut told) = streams(Tls::none());
    let mut trunk = Vec::new();
    for count in 0..CONNECTIONS_A_SOURCE + 8 {
        let (mut near, far, address) = pair(&listener).await;
        let peer = target(Transport::Tcp, address);
        streams.accept(far, peer);
        near.write_all(OPTIONS).await.unwrap();
        loop {
            match timeout(Duration::from_secs(5), told.recv()).await.expect("it is let in") {
                Some(StreamEvent::Message { source, .. }) if source == peer => break,
                Some(StreamEvent::Closed { target, .. }) => assert!(streams.forget(target)),
                other => panic!("{other:?}"),
            }
        }
        assert!(streams.len() <= CONNECTIONS_A_SOURCE, "{} connections of one address", streams.len());
        // The first is owed its answer, all others have theirs.
        if count > 0 {
            assert!(streams.send(peer, b"SIP/2.0 200 OK".to_vec()));
            near.read_exact(&mut [0; 14]).await.unwrap();
        }
        trunk.push((near, peer));
    }
    for (count, (near, peer)) in trunk.iter_mut().enumerate() {
        // Those that were idle for longest have made room.
        if (1..=8).contains(&count) {
            assert_eq!(near.read(&mut [0; 1]).await.unwrap(), 0, "connection {count}");
        } else {
            assert!(streams.send(*peer, b"hello".to_vec()));
            near.read_exact(&mut [0; 5]).await.unwrap();
        }
    }
}

#[test]
fn a_message_that_trickles_in_has_its_time() {
    let start = Instant::now();
    let mut accepted = Conversation::new(start, true);
    assert_eq!(accepted.deadline(), start + MESSAGE_WITHIN);
    assert!(matches!(accepted.handle_timeout(start + MESSAGE_WITHIN), Due::Close(_)));
    // One of ours may be silent, but a message that has begun must end.
    let mut ours = Conversation::new(start, false);
    assert_eq!(ours.deadline(), start + PING_AFTER);
    for second in 0..10 {
        ours.framer.push(b"O");
        ours.unaccounted += 1 + ours.waiting;
        assert!(ours.framer.next().unwrap().is_none());
        assert_eq!(ours.handle_rest(start + Duration::from_secs(second)), 0);
    }
    assert_eq!(ours.deadline(), start + MESSAGE_WITHIN, "every byte more does not put the end off");
    assert!(matches!(ours.handle_timeout(start + MESSAGE_WITHIN), Due::Close(_)));
}

#[test]
fn a_peer_that_has_answered_a_ping_must_answer_the_next_and_one_that_never_did_need_not() {
    let start = Instant::now();
    for answers in [false, true] {
        let mut ours = Conversation::new(start, false);
        let ping = start + PING_AFTER;
        assert_eq!(ours.handle_timeout(ping), Due::Ping);
        if answers {
            ours.framer.push(PONG);
            ours.unaccounted += PONG.len();
            assert!(ours.framer.next().unwrap().is_none());
            assert_eq!(ours.handle_rest(ping + Duration::from_secs(1)), 0, "a pong is no ping");
        } else {
            assert_eq!(ours.handle_timeout(ping + PONG_WITHIN), Due::Nothing);
        }
        let next = ours.deadline();
        assert_eq!(ours.handle_timeout(next), Due::Ping);
        let closes = matches!(ours.handle_timeout(next + PONG_WITHIN), Due::Close(_));
        assert_eq!(closes, answers);
    }
}

#[test]
fn pings_are_told_from_the_line_ends_around_messages_however_they_are_cut() {
    let stream = [KEEP_ALIVE, OPTIONS, KEEP_ALIVE, KEEP_ALIVE, OPTIONS].concat();
    for size in [1, 2, 3, 5, 64, stream.len()] {
        let mut state = Conversation::new(Instant::now(), true);
        let mut pings = 0;
        for piece in stream.chunks(size) {
            state.framer.push(piece);
            state.unaccounted += piece.len() + state.waiting;
            while let Some(message) = state.framer.next().unwrap() {
                state.unaccounted -= message.len();
            }
            pings += state.handle_rest(Instant::now());
        }
        assert_eq!(pings, 3, "pieces of {size}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_handed_on_to_be_refused_and_the_stream_is_closed_behind_the_answer() {
    let (mut near, peer, mut streams, mut told) = accepted().await;
    let head = b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 70000\r\n\r\n";
    near.write_all(&[&head[..], &[b'x'; 4_000]].concat()).await.unwrap();
    let Some(StreamEvent::Message { bytes, .. }) = told.recv().await else { panic!("it is to be refused") };
    assert_eq!(bytes, head);
    // Whoever closes its side behind it listens all the same.
    near.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(streams.send(peer, b"SIP/2.0 413".to_vec()));
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.ok();
    assert_eq!(heard, b"SIP/2.0 413");
    let Some(StreamEvent::Closed { .. }) = told.recv().await else { panic!("and then it is closed") };
}

#[test]
fn a_stream_without_frame_that_nobody_answers_is_closed_all_the_same() {
    let now = Instant::now();
    let mut conversation = Conversation::new(now, true);
    conversation.handle_broken(now);
    assert_eq!(conversation.deadline(), now + REFUSED_WITHIN);
    assert_eq!(conversation.handle_timeout(now + REFUSED_WITHIN), Due::Close("it cannot be framed"));
}
