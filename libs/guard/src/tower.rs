//! Layers for tower services: admission before a server, a dependency around a client.
//!
//! Owns no decision; it asks [`Admission`] and the registry. The admission's future is not boxed.

use crate::admission::{Admission, Outcome, Permit, Refusal};
use crate::clock::within;
use crate::deps::{CallError, Strong};
use crate::priority::{Ask, CUT_LEVEL_HEADER, CutLevel};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Lets requests in by an [`Admission`]; whoever is refused gets 503 or 429 with `Retry-After` and the reason in
/// [`REASON_HEADER`]. While some are cut, every answer says from which level on.
#[derive(Clone)]
pub struct AdmissionLayer<C> {
    admission: Arc<dyn Admission>,
    classify: C,
}

/// The header with the reason of a refusal.
pub const REASON_HEADER: &str = "x-refused-because";

impl<C> AdmissionLayer<C> {
    /// `classify` says whose request it is, from its head; it must not wait.
    pub fn new(admission: Arc<dyn Admission>, classify: C) -> AdmissionLayer<C> {
        AdmissionLayer { admission, classify }
    }
}

impl<S, C: Clone> Layer<S> for AdmissionLayer<C> {
    type Service = Admitted<S, C>;

    fn layer(&self, inner: S) -> Admitted<S, C> {
        Admitted { inner, layer: self.clone() }
    }
}

/// A service behind an admission.
#[derive(Clone)]
pub struct Admitted<S, C> {
    inner: S,
    layer: AdmissionLayer<C>,
}

impl<S, C, A, B> Service<Request<A>> for Admitted<S, C>
where
    S: Service<Request<A>, Response = Response<B>>,
    C: Fn(&Request<A>) -> Ask,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = AdmittedFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<A>) -> Self::Future {
        let ask = (self.layer.classify)(&request);
        let admitted = self.layer.admission.try_admit(ask);
        let cut = self.layer.admission.cut_level();
        // Each future is made where it stays: moving one costs more than the admission.
        match admitted {
            Ok(permit) => AdmittedFuture {
                state: State::Admitted {
                    came_ns: permit.came_ns(),
                    answer: self.inner.call(request),
                    permit: Some(permit),
                },
                cut,
            },
            Err(refusal) => AdmittedFuture { state: State::Refused { refusal }, cut },
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a service behind an admission, or the refusal.
    pub struct AdmittedFuture<F> {
        #[pin]
        state: State<F>,
        cut: CutLevel,
    }
}

pin_project_lite::pin_project! {
    #[project = Projected]
    enum State<F> {
        Admitted {
            #[pin]
            answer: F,
            permit: Option<Permit>,
            // What is asked in the first poll, which follows the admission at once, shares its reading of the clock; 0
            // afterwards.
            came_ns: u64,
        },
        Refused { refusal: Refusal },
    }
}

impl<F, B, E> Future for AdmittedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = Result<Response<B>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = match this.state.project() {
            Projected::Admitted { answer, permit, came_ns } => {
                let answer = ready!(within(std::mem::take(came_ns), || answer.poll(context)));
                if let Some(permit) = permit.take() {
                    permit.finish(outcome_of(&answer));
                }
                answer
            }
            Projected::Refused { refusal } => Ok(refused(refusal)),
        };
        if *this.cut < CutLevel::OPEN
            && let Ok(answer) = &mut answer
        {
            let name = HeaderName::from_static(CUT_LEVEL_HEADER);
            answer.headers_mut().insert(name, HeaderValue::from(this.cut.number()));
        }
        Poll::Ready(answer)
    }
}

#[inline]
fn outcome_of<B, E>(answer: &Result<Response<B>, E>) -> Outcome {
    match answer.as_ref().map(Response::status) {
        Ok(StatusCode::GATEWAY_TIMEOUT) => Outcome::TimedOut,
        Ok(StatusCode::SERVICE_UNAVAILABLE) => Outcome::Dropped,
        Ok(_) => Outcome::Served,
        Err(_) => Outcome::Ignored,
    }
}

/// An empty answer that says why and when to come back. Seconds are rounded up: never too early.
fn refused<B: Default>(refusal: &Refusal) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = if refusal.reason.is_quota() {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(REASON_HEADER), HeaderValue::from_static(refusal.reason.as_str()));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(refusal.retry_after_s()));
    response
}

/// Calls a client through a strong dependency: its time limit, its cap, its breaker. For a weak one there is no layer,
/// because what to do without it is the caller's to say.
#[derive(Clone)]
pub struct DependencyLayer(Strong);

impl DependencyLayer {
    pub fn new(dependency: Strong) -> DependencyLayer {
        DependencyLayer(dependency)
    }
}

impl<S> Layer<S> for DependencyLayer {
    type Service = Depending<S>;

    fn layer(&self, inner: S) -> Depending<S> {
        Depending { inner, dependency: self.0.clone() }
    }
}

/// A client behind a dependency.
#[derive(Clone)]
pub struct Depending<S> {
    inner: S,
    dependency: Strong,
}

impl<S, R> Service<R> for Depending<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, CallError<S::Error>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Failed)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (dependency, work) = (self.dependency.clone(), self.inner.call(request));
        Box::pin(async move { dependency.call(work).await })
    }
}
