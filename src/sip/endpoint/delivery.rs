//! What transactions tell, to whom it belongs: a session, a registration, a ping, a call of a former run, or nobody.

use super::{Endpoint, Owner, PingOutcome, late, refusal};
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::target::Target;
use crate::sip::transaction::layer::Up;
use crate::slab::Key;
use crate::time::Instant;

impl Endpoint {
    pub(super) fn handle_ups(&mut self, now: Instant, ups: Vec<Up>) {
        for up in ups {
            match up {
                Up::Response { owner, transaction, target, response, request } => {
                    self.deliver_response(now, owner, transaction, target, response, &request);
                }
                Up::Silence { owner, transaction } => self.deliver_silence(now, owner, transaction),
                Up::FellBack { owner, transaction, refused } => {
                    if let Some(target) = refused {
                        self.stack.note_refusal(now, target);
                    }
                    match owner {
                        Owner::Dial(key) => {
                            self.with_session(key, |session, _| session.handle_fallback(now, transaction));
                        }
                        Owner::Reinvite(key) | Owner::Prack(key) => {
                            self.with_session(key, |session, stack| {
                                session.handle_offer_fallback(now, stack, transaction);
                            })
                        }
                        _ => {}
                    }
                }
                Up::Lost { owner, transaction, target, is_refused } => {
                    if let Owner::Dial(key) = owner {
                        self.with_session(key, |session, stack| {
                            if session.dials(transaction) {
                                session.handle_loss(now, stack, target, is_refused);
                            }
                        });
                    }
                }
                Up::Request { transaction, request } => self.deliver_request(now, transaction, request),
                Up::Gone { owner } => late::forget(&mut self.stack, owner),
                Up::Ack(ack) => {
                    if let Some(key) = self.session_of(&ack) {
                        self.with_session(key, |session, stack| session.handle_ack(now, stack, &ack));
                    }
                }
            }
        }
    }

    fn deliver_response(
        &mut self,
        now: Instant,
        owner: Owner,
        transaction: Key,
        target: Target,
        response: Response,
        sent: &[u8],
    ) {
        self.stack.learn(target, &response);
        let accepts_invite = response.is_success()
            && response.headers().cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if accepts_invite && self.stack.acknowledge_again(&response) {
            return;
        }
        match owner {
            Owner::Dial(key) if self.sessions.get(key).is_some() => {
                self.with_session(key, |session, stack| session.handle_response(now, stack, response, sent));
            }
            Owner::Reinvite(key)
                if self.sessions.get(key).is_some_and(|session| session.awaits(transaction)) =>
            {
                self.with_session(key, |session, stack| {
                    session.handle_reinvite_response(now, stack, &response, sent);
                });
            }
            Owner::Refer(key) => self.with_session(key, |session, stack| {
                session.handle_refer_response(now, stack, transaction, Some((&response, sent)));
            }),
            Owner::Notify(key) => self.with_session(key, |session, stack| {
                session.handle_notify_response(now, stack, transaction, Some((&response, sent)));
            }),
            Owner::Info(key) => self.with_session(key, |session, stack| {
                session.handle_info_response(now, stack, transaction, Some((&response, sent)));
            }),
            Owner::Prack(key) => self.with_session(key, |session, stack| {
                session.handle_prack_response(now, stack, transaction, &response, sent);
            }),
            Owner::Registration(key) => self.with_registration(key, |registrar, stack| {
                registrar.handle_response(now, stack, transaction, &response, sent);
            }),
            Owner::Ping(key) => {
                if let Some(outcome) = self.pings.get(key).and_then(|ping| ping.outcome(now, &response)) {
                    self.finish_ping(key, outcome);
                }
            }
            Owner::Farewell(key) => {
                late::handle_farewell(now, &mut self.stack, key, Some((target, &response, sent)));
            }
            Owner::Orphan(key) if self.orphans.get(key).is_some() => {
                self.with_orphan(key, |orphan, stack| {
                    orphan.handle_response(now, stack, transaction, target, &response, sent);
                })
            }
            Owner::Late(key) => {
                late::handle_response(now, &mut self.stack, key, transaction, &response, sent);
            }
            // It is answered already: a second 2xx with another tag is nobody's.
            Owner::Reinvite(_) => {}
            Owner::Dial(_) | Owner::Orphan(_) | Owner::Nobody => {
                if accepts_invite {
                    late::dismiss_unknown(now, &mut self.stack, &response, target);
                }
            }
        }
    }

    fn deliver_silence(&mut self, now: Instant, owner: Owner, transaction: Key) {
        match owner {
            Owner::Dial(key) => self.with_session(key, |session, stack| {
                if session.dials(transaction) {
                    session.handle_silence(now, stack);
                }
            }),
            Owner::Reinvite(key) => self.with_session(key, |session, stack| {
                if session.awaits(transaction) {
                    session.handle_reinvite_silence(now, stack);
                }
            }),
            Owner::Refer(key) => self.with_session(key, |session, stack| {
                session.handle_refer_response(now, stack, transaction, None);
            }),
            Owner::Notify(key) => self.with_session(key, |session, stack| {
                session.handle_notify_response(now, stack, transaction, None);
            }),
            Owner::Info(key) => self.with_session(key, |session, stack| {
                session.handle_info_response(now, stack, transaction, None);
            }),
            Owner::Prack(key) => self.with_session(key, |session, stack| {
                session.handle_prack_silence(now, stack, transaction);
            }),
            Owner::Registration(key) => self.with_registration(key, |registrar, stack| {
                registrar.handle_silence(now, stack, transaction);
            }),
            Owner::Ping(key) => self.finish_ping(key, PingOutcome::NoAnswer),
            Owner::Farewell(key) => late::handle_farewell(now, &mut self.stack, key, None),
            Owner::Orphan(key) => self.with_orphan(key, |orphan, stack| {
                orphan.handle_silence(now, stack, transaction);
            }),
            Owner::Late(_) | Owner::Nobody => {}
        }
    }

    fn deliver_request(&mut self, now: Instant, transaction: Key, request: Request) {
        let tag = self.stack.rng.token(12);
        if let Some(mut response) = refusal::of_broken(&request) {
            refusal::add_tag(&mut response, &tag);
            return self.stack.respond(now, transaction, &response);
        }
        if *request.method() == Method::Cancel {
            return self.deliver_cancel(now, transaction, &request, &tag);
        }
        if let Some(key) = self.session_of(&request) {
            self.with_session(key, |session, stack| {
                session.acknowledge(stack);
                session.handle_request(now, stack, transaction, request);
            });
        }
    }

    /// A CANCEL means a transaction rather than a dialog (RFC 3261 section 9.2).
    fn deliver_cancel(&mut self, now: Instant, transaction: Key, cancel: &Request, tag: &str) {
        let invite = self.stack.layer.cancelled_by(cancel);
        let mut response = match invite {
            Some(_) => Response::to_request(cancel, 200, "OK"),
            None => refusal::no_such_call(cancel),
        };
        refusal::add_tag(&mut response, tag);
        self.stack.respond(now, transaction, &response);
        if let (Some(invite), Some(key)) = (invite, self.session_of(cancel)) {
            self.with_session(key, |session, stack| session.handle_cancel(now, stack, invite));
        }
    }
}
