//! The steps as a trace that Perfetto and Chrome open.

use serde_json::{Value, json};

use crate::steps::StepSummary;
use crate::summary::Summary;
use crate::text::clean;

/// The trace of a summary: a line for every stage, and as many more as it has steps that ran at the same time.
pub fn trace(summary: &Summary) -> Value {
    let process = format!("{} {}", summary.project, summary.command);
    let mut events = vec![named("process_name", 0, &process)];
    // The lines so far: the stage of each, and when its last step ended.
    let mut lines: Vec<(&str, u64)> = Vec::new();
    let mut steps: Vec<_> = summary.steps.iter().filter(|step| !step.cached).collect();
    steps.sort_by_key(|step| step.start_ms);
    for step in steps {
        let end = step.start_ms.saturating_add(step.duration_ms);
        let free = lines.iter().position(|(stage, until)| *stage == step.stage && *until <= step.start_ms);
        let line = free.unwrap_or_else(|| {
            lines.push((&step.stage, 0));
            events.push(named("thread_name", lines.len(), &step.stage));
            lines.len() - 1
        });
        lines[line].1 = end;
        events.push(event(step, line + 1, summary));
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms"})
}

fn named(what: &str, thread: usize, name: &str) -> Value {
    json!({"ph": "M", "pid": 1, "tid": thread, "name": what, "args": {"name": clean(name)}})
}

fn event(step: &StepSummary, thread: usize, summary: &Summary) -> Value {
    json!({
        "ph": "X", "pid": 1, "tid": thread, "cat": step.status().word(), "name": clean(&step.title()),
        "ts": step.start_ms.saturating_mul(1000), "dur": step.duration_ms.saturating_mul(1000),
        "args": {
            "instruction": clean(&step.name), "why": summary.because(step).map(|why| clean(&why)),
            "bytes": step.bytes, "services": step.services.iter().map(|name| clean(name)).collect::<Vec<_>>(),
        },
    })
}
