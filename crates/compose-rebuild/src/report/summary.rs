//! What a run did, told to the summary as plain values.

use std::collections::BTreeSet;

use buildkit_report::steps::BuiltService;
use buildkit_report::summary::{BuildRun, FailureSummary, ServiceSummary};

use crate::build::Outcome;
use crate::error::Failure;
use crate::plan::{Plan, ServicePlan};
use crate::project::{Project, edges};
use crate::value::Service;

/// What happened to each service of a plan.
pub fn services(project: &Project, plan: &Plan) -> Vec<ServiceSummary> {
    let one = |service: &ServicePlan| ServiceSummary {
        service: service.service.to_string(),
        image: service.image.to_string(),
        action: service.action.name().to_owned(),
        why: service.why.clone(),
        cache_bust: service.cache_bust.to_string(),
        revision: service.revision.clone(),
        sources: service.sources.clone(),
        made_from: made_from(project, &service.service),
    };
    plan.services.iter().map(one).collect()
}

/// The other services and the base images that a service is made from.
fn made_from(project: &Project, service: &Service) -> Vec<String> {
    let inputs = edges::inputs_of(project, service).into_iter().map(|input| input.service.to_string());
    let bases = project.services.get(service).into_iter().flat_map(|built| project.bases_of(built));
    let mut all: Vec<_> = inputs.chain(bases.map(|base| base.to_string())).collect();
    all.dedup();
    all
}

/// What the build of a plan did.
pub fn build<'a>(project: &Project, plan: &Plan, outcome: &'a Outcome) -> BuildRun<'a> {
    let target = |service: &ServicePlan| {
        let built = &project.services[&service.service];
        BuiltService {
            name: built.bake_target.clone(),
            service: service.service.to_string(),
            dockerfile: built.dockerfile_path.clone(),
            stages: built
                .closure
                .as_ref()
                .map_or_else(BTreeSet::new, |closure| closure.stages.iter().cloned().collect()),
        }
    };
    BuildRun {
        targets: plan.builds().map(|(service, _)| target(service)).collect(),
        progress: &outcome.progress,
        elapsed: outcome.elapsed,
        log: outcome.log.to_string(),
        warnings: if outcome.failure.is_none() { outcome.progress.warnings() } else { Vec::new() },
    }
}

/// How a run failed.
pub fn failure(failure: &Failure) -> FailureSummary {
    FailureSummary { code: failure.code, cause: failure.cause.clone() }
}
