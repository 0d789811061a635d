//! The far side of a dry run: it answers every request as a carrier and its subscribers would, by the model's shares and times.

use super::Model;
use crate::centre::chance::duration;
use crate::rng::Rng;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::time::Instant;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// From an INVITE to an agent to the answer.
const AGENT_RINGS: Duration = Duration::from_secs(2);

/// Who answers a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A person.
    Person,
    /// A machine.
    Machine,
    /// An agent.
    Agent,
}

/// A message on its way to the engine.
#[derive(Clone, PartialEq, Debug)]
pub struct Sent {
    /// After this long.
    pub after: Duration,
    /// The call that it belongs to; a final response is sent only while the call waits for one.
    pub call_id: String,
    /// The message.
    pub bytes: Vec<u8>,
    /// It is the call's final response.
    pub is_final: bool,
}

struct Call {
    invite: Request,
    who: Option<Who>,
    answered: bool,
    over: bool,
    /// Where its media would go; tells the streams of the engine apart.
    media: SocketAddr,
}

/// All calls, by Call-ID.
pub struct Far {
    calls: HashMap<String, Call>,
    by_media: HashMap<SocketAddr, Who>,
    agents: Vec<String>,
    made: u32,
}

impl Far {
    /// INVITEs to one of `agents`' URIs are answered by them.
    pub fn new(agents: Vec<String>) -> Far {
        Far { calls: HashMap::new(), by_media: HashMap::new(), agents, made: 0 }
    }

    /// Who is behind an address of media.
    pub fn who_at(&self, media: SocketAddr) -> Option<Who> {
        self.by_media.get(&media).copied()
    }

    /// What the engine sends; what comes of it.
    pub fn handle(&mut self, bytes: &[u8], model: &Model, rng: &mut Rng) -> Vec<Sent> {
        let Ok(Message::Request(request)) = Message::parse(bytes) else { return Vec::new() };
        let Ok(call_id) = request.headers().call_id().map(str::to_owned) else { return Vec::new() };
        match request.method() {
            Method::Invite if !self.calls.contains_key(&call_id) => self.begin(request, call_id, model, rng),
            Method::Ack | Method::Invite => Vec::new(),
            Method::Cancel => self.cancel(&request, &call_id),
            Method::Bye => {
                self.forget(&call_id);
                vec![reply(&request, 200, &call_id)]
            }
            _ => vec![reply(&request, 200, &call_id)],
        }
    }

    /// Whether the call's final response may still be sent; from then on it is.
    pub fn takes_final(&mut self, call_id: &str) -> bool {
        let Some(call) = self.calls.get_mut(call_id) else { return false };
        !std::mem::replace(&mut call.over, true)
    }

    /// An agent has talked for long enough, and hangs up.
    pub fn hang_up(&mut self, call_id: &str) -> Option<Vec<u8>> {
        let call = self.calls.get(call_id).filter(|call| call.answered)?;
        let headers = call.invite.headers();
        let contact = headers.contacts().first().map(|contact| contact.uri.to_string())?;
        let mut bye = Request::new(Method::Bye, &contact);
        let via = format!("SIP/2.0/UDP 198.18.255.1:5060;branch=z9hG4bK-bye-{call_id}");
        for (name, value) in [
            ("Via", via.as_str()),
            ("Max-Forwards", "70"),
            ("From", &format!("{};tag=far", headers.get("To")?)),
            ("To", headers.get("From")?),
            ("Call-ID", call_id),
            ("CSeq", "1 BYE"),
        ] {
            bye.headers_mut().push(name, value);
        }
        self.forget(call_id);
        Some(bye.to_bytes())
    }

    /// Agents who are on a call and when they will be done, is the stage's to know: how long they talk.
    pub fn talk(&self, model: &Model, rng: &mut Rng) -> Duration {
        duration(model.scenario.work.talk.draw(rng))
    }

    fn begin(&mut self, invite: Request, call_id: String, model: &Model, rng: &mut Rng) -> Vec<Sent> {
        self.made += 1;
        let ringing = &model.scenario.ringing;
        let is_agent = self.agents.iter().any(|uri| uri == invite.uri());
        let (fate, delay) = (rng.unit(), ringing.post_dial_delay_s);
        let callees = model.callees;
        // A failed call ends at once; whoever lets it ring is ended by the engine's own time-out.
        let (who, status, after) = if is_agent {
            (Some(Who::Agent), 200, AGENT_RINGS)
        } else if fate < callees.live {
            (Some(Who::Person), 200, duration(delay + ringing.human.draw(rng)))
        } else if fate < callees.live + callees.machine {
            (Some(Who::Machine), 200, duration(delay + ringing.machine.draw(rng)))
        } else if fate >= 1.0 - callees.failed {
            (None, 486, duration(delay + 0.5))
        } else {
            (None, 0, Duration::ZERO)
        };
        let [_, a, b, c] = self.made.to_be_bytes();
        let media = SocketAddr::from((Ipv4Addr::new(10, a, b, c), 4_000));
        let mut sent = vec![response(&invite, 180, &call_id, duration(delay), media)];
        if status > 0 {
            sent.push(response(&invite, status, &call_id, after, media));
        }
        if let Some(who) = who {
            self.by_media.insert(media, who);
        }
        self.calls.insert(call_id, Call { invite, who, answered: who.is_some(), over: false, media });
        sent
    }

    fn cancel(&mut self, request: &Request, call_id: &str) -> Vec<Sent> {
        let mut sent = vec![reply(request, 200, call_id)];
        if let Some(call) = self.calls.get(call_id)
            && !call.over
        {
            sent.push(response(&call.invite, 487, call_id, Duration::ZERO, call.media));
        }
        sent
    }

    fn forget(&mut self, call_id: &str) {
        if let Some(call) = self.calls.remove(call_id) {
            self.by_media.remove(&call.media);
        }
    }

    /// Who is on a call.
    pub fn who(&self, call_id: &str) -> Option<Who> {
        self.calls.get(call_id).and_then(|call| call.who)
    }

    /// A call that ended without an answer is not needed any more.
    pub fn handle_ended(&mut self, call_id: &str, status: u16) {
        if status >= 300 {
            self.forget(call_id);
        }
    }
}

fn reply(request: &Request, status: u16, call_id: &str) -> Sent {
    let mut response = Response::to_request(request, status, "OK");
    tag(&mut response);
    Sent { after: Duration::ZERO, call_id: call_id.to_owned(), bytes: response.to_bytes(), is_final: false }
}

fn response(invite: &Request, status: u16, call_id: &str, after: Duration, media: SocketAddr) -> Sent {
    let mut response = Response::to_request(invite, status, "Rehearsed");
    tag(&mut response);
    response.headers_mut().push("Contact", "<sip:far@198.18.255.1:5060>");
    if status == 200 {
        let (ip, port) = (media.ip(), media.port());
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {}\r\n",
            payload_of(invite)
        );
        response.set_body("application/sdp", sdp.into_bytes());
    }
    let is_final = !response.is_provisional();
    Sent { after, call_id: call_id.to_owned(), bytes: response.to_bytes(), is_final }
}

/// The first payload type that was offered.
fn payload_of(invite: &Request) -> String {
    let offer = String::from_utf8_lossy(invite.body()).into_owned();
    let audio = offer.lines().find_map(|line| line.strip_prefix("m=audio "));
    audio.and_then(|audio| audio.split(' ').nth(2)).unwrap_or("0").to_owned()
}

fn tag(response: &mut Response) {
    let to = response.headers().get("To").unwrap_or_default().to_owned();
    if !to.contains(";tag=") {
        response.headers_mut().set("To", &format!("{to};tag=far"));
    }
}

/// When it arrives.
pub fn at(now: Instant, sent: &Sent) -> Instant {
    now + sent.after
}
