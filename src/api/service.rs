//! The API as an application of the transport.

use std::rc::Rc;

use hyper::service::service_fn;

use crate::api::context::Context;
use crate::api::requester::Peer;
use crate::api::{pipeline, request_log};
use crate::conn::activity::Activity;
use crate::conn::service::{Application, RefusedHead, RequestService};

/// The API of one worker.
pub(crate) struct Api(pub(crate) Rc<Context>);

impl Application for Api {
    fn service(&self, activity: &Rc<Activity>) -> impl RequestService + use<> {
        let (context, activity) = (Rc::clone(&self.0), Rc::clone(activity));
        service_fn(move |request| pipeline::respond(Rc::clone(&context), Rc::clone(&activity), request))
    }

    fn note_refused_head(&self, activity: &Activity, head: RefusedHead) {
        request_log::note_refused_head(&self.0, Peer(activity.peer()), head);
    }
}
