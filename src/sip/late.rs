//! What arrives for calls that have gone: challenges of their BYEs, forks that lost, answers to abandoned INVITEs.

use super::authentication::Authentication;
use super::dialog::Dialog;
use super::message::Response;
use super::options::HangUpReason;
use super::stack::Stack;
use super::target::Target;
use super::transaction::owner::Owner;
use super::uri::Uri;
use crate::slab::Key;
use crate::time::Instant;

/// A final response to a BYE of ours, or silence. A proxy may challenge a BYE too.
pub(crate) fn handle_farewell(
    now: Instant,
    stack: &mut Stack,
    key: Key,
    trunk: Target,
    answer: Option<(&Response, &[u8])>,
) {
    if let Some((response, sent)) = answer {
        if response.is_provisional() {
            return;
        }
        let authentication = stack.farewells.get_mut(key);
        let again = authentication.and_then(|known| known.retry(&mut stack.rng, sent, response));
        if let Some(bye) = again
            && stack.send(now, trunk, bye, Owner::Farewell(key)).is_ok()
        {
            return;
        }
    }
    stack.farewells.remove(key);
}

/// A 2xx that nobody waits for: a fork that answered second, or a callee that answered a call we gave up. It must be
/// acknowledged, and then ended at once (RFC 3261 section 13.2.2.4).
pub(crate) fn dismiss(
    now: Instant,
    stack: &mut Stack,
    response: &Response,
    trunk: Target,
    authentication: Authentication,
) {
    if stack.acknowledge_again(response) {
        return;
    }
    let callee = response.headers().to().map(|to| to.uri);
    let dialog = callee.and_then(|callee: Uri| Dialog::of_response(response, &callee));
    // Without tags and numbers there is nothing to acknowledge: the peer gives up by itself.
    let Ok(mut dialog) = dialog else { return };
    stack.acknowledge(now, &dialog, trunk, response);
    let reason = HangUpReason { q850: 16, text: "Call abandoned".to_owned() };
    stack.bye(now, &mut dialog, trunk, authentication, Some(&reason));
}
