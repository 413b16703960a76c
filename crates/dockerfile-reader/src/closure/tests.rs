//! What a target is made from, on Dockerfiles of many shapes.

use super::*;

fn args(given: &[(&str, &str)]) -> Args {
    given.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
}

#[track_caller]
fn built(text: &str, target: Option<&str>, given: &[(&str, &str)], contexts: &[&str]) -> Closure {
    let contexts = contexts.iter().map(|name| ((*name).to_owned(), "docker-image://x".to_owned())).collect();
    let build = Build { target, args: &args(given), contexts: &contexts };
    Dockerfile::read(text).closure(&build).expect("a stage")
}

fn closure(text: &str) -> Closure {
    built(text, None, &[], &[])
}

/// What is read, in words.
fn reads(closure: &Closure) -> Vec<String> {
    let words = closure.reads.iter().map(|Read { line, what }| {
        let what = match what {
            What::Context(paths) => format!("context {}", paths.join(" ")),
            What::Image { name, platform: None } => format!("image {name}"),
            What::Image { name, platform: Some(platform) } => format!("image {name} for {platform}"),
            What::Named(name) => format!("named {name}"),
            What::Url { address, has_checksum } => format!("url {address} {has_checksum}"),
            What::Git { address, reference } => format!("git {address} {reference:?}"),
            What::Secret { id, is_required } => format!("secret {id} {is_required}"),
            What::Ssh { id, is_required } => format!("ssh {id} {is_required}"),
            What::Unknown(what) => format!("unknown {what}"),
        };
        format!("{line} {what}")
    });
    words.collect()
}

#[track_caller]
fn assert_reads(text: &str, expected: &[&str]) {
    assert_eq!(reads(&closure(text)), expected, "{text}");
}

const STAGES: &str = "ARG BASE=a:1\nARG OTHER=b\nFROM ${BASE} AS model\nARG MODEL=x\nRUN fetch \"$MODEL\"\n\
    # a comment about code\nFROM b AS code\nARG CACHE_BUST\nRUN <<EOF\nclone\nEOF\n\
    FROM c AS final\nCOPY --from=code /a /b\nRUN --mount=type=bind,from=model,target=/m true\n";

#[test]
fn the_name_of_the_target_counts_where_it_is_a_value() {
    let value = |text: &str, target| {
        let build = Build { target, ..Build::default() };
        Dockerfile::read(text).closure(&build).expect("a stage").args.get("TARGETSTAGE").cloned()
    };
    let text = "FROM a AS b\nARG TARGETSTAGE\nRUN echo $TARGETSTAGE\n";
    let values = [None, Some("b"), Some("B")].map(|target| value(text, target));
    assert_eq!(values, ["", "b", "B"].map(|name| Some(Some(name.to_owned()))));
    assert_eq!(value("FROM a AS b\nRUN echo $TARGETSTAGE\n", Some("b")), None);
}

#[test]
fn a_closure_follows_from_copy_and_mount() {
    let last = built(STAGES, Some("final"), &[], &[]);
    assert_eq!(last.stages.iter().map(String::as_str).collect::<Vec<_>>(), ["code", "final", "model"]);
    assert_eq!(last.args.keys().map(String::as_str).collect::<Vec<_>>(), ["BASE", "CACHE_BUST", "MODEL"]);
    assert!(last.text.contains("clone"));
    assert_eq!(reads(&last), ["3 image a:1", "7 image b", "12 image c"]);
    assert!(
        Dockerfile::read(STAGES)
            .closure(&Build { target: Some("x"), args: &Args::new(), contexts: &BTreeMap::new() })
            .is_none()
    );
    assert!(
        Dockerfile::read("").closure(&Build { target: None, args: &Args::new(), contexts: &BTreeMap::new() }).is_none()
    );
}

#[test]
fn the_text_is_what_is_written_without_comments_and_other_stages() {
    let model = |text: &str| built(text, Some("MODEL"), &[], &[]).text;
    assert_eq!(model(STAGES), "ARG BASE=a:1\nFROM ${BASE} AS model\nARG MODEL=x\nRUN fetch \"$MODEL\"\n");
    let edited = STAGES.replace("# a comment about code", "# other words").replace("clone", "git clone");
    assert_eq!(model(STAGES), model(&edited));
    assert_ne!(model(STAGES), model(&STAGES.replace("fetch", "get")));
    let text = "# syntax=docker/dockerfile:1\n# escape=`\n# a comment\nFROM --platform=linux/arm64 a\nRUN one `\n  # inside\n\n  two\n\
        RUN cat <<E <<'F'\n# kept\n\nE\n  # kept too\nF\nCOPY x `\r\n y";
    let without = "# syntax=docker/dockerfile:1\n# escape=`\nFROM --platform=linux/arm64 a\nRUN one `\n  two\n\
        RUN cat <<E <<'F'\n# kept\n\nE\n  # kept too\nF\nCOPY x `\r\n y\n";
    assert_eq!(closure(text).text, without);
}

#[test]
fn an_argument_may_choose_a_stage() {
    let text = "ARG KIND=slim\nARG BASE=base-$KIND\nFROM a AS base-slim\nFROM b AS base-full\nARG CACHE_BUST\nRUN clone\n\
        FROM ${BASE}\nRUN x\n";
    let stages = |given: &[(&str, &str)]| {
        let closure = built(text, None, given, &[]);
        (closure.stages.into_iter().collect::<Vec<_>>().join(" "), closure.args.contains_key("CACHE_BUST"))
    };
    assert_eq!(stages(&[]), ("base-slim".to_owned(), false));
    assert_eq!(stages(&[("KIND", "full")]), ("base-full".to_owned(), true));
    assert_eq!(stages(&[("BASE", "base-full")]), ("base-full".to_owned(), true));
    assert_eq!(stages(&[("BASE", "elsewhere")]), (String::new(), false));
}

#[test]
fn arguments_are_followed_however_they_are_made_from_each_other() {
    let text = "ARG BASE_REGISTRY\nARG REG=${BASE_REGISTRY:-docker.io}\nARG BASE=${REG}/library/python:3.11\nARG NONE=1\nFROM ${BASE}\n";
    let usual = closure(text);
    assert_eq!(reads(&usual), ["5 image docker.io/library/python:3.11"]);
    assert_eq!(usual.args.keys().map(String::as_str).collect::<Vec<_>>(), ["BASE", "BASE_REGISTRY", "REG"]);
    assert!(!usual.text.contains("NONE") && usual.text.starts_with("ARG BASE_REGISTRY\nARG REG="));
    assert_eq!(reads(&built(text, None, &[("BASE_REGISTRY", "r:5")], &[])), ["5 image r:5/library/python:3.11"]);
    // In a circle, and by a stage that takes over what stands above all.
    let circle = closure("ARG A=$B\nARG B=$A\nARG C=$A-x\nFROM a\nARG C\n");
    assert_eq!(circle.args.len(), 3);
    assert_eq!(circle.args["C"].as_deref(), Some("-x"));
    assert_eq!(closure("ARG A=1\nARG B='$A'\nARG C=\"$A\\$A\"\nFROM i:$B-$C\n").args["B"].as_deref(), Some("$A"));
    assert_reads("ARG A=1\nARG B='$A'\nARG C=\"${A}x\"\nFROM i:$B-$C\n", &["4 image i:$A-1x"]);
    assert_reads("ARG A=xyz\nFROM i:${A%z}-${A##*y}\n", &["2 image i:xy-z"]);
}

#[test]
fn arguments_of_the_builder_are_taken_where_they_are_used() {
    let text = "FROM --platform=$BUILDPLATFORM a\nARG TARGETARCH\nCOPY $TARGETARCH /x\n";
    let closure = closure(text);
    assert_eq!(reads(&closure), ["1 image a for $BUILDPLATFORM", "3 context $TARGETARCH"]);
    assert_eq!(closure.reads.iter().map(Read::is_certain).collect::<Vec<_>>(), [true, false]);
    assert_eq!(closure.args, Args::from([("BUILDPLATFORM".to_owned(), None), ("TARGETARCH".to_owned(), None)]));
    let given = built(text, None, &[("BUILDPLATFORM", "linux/arm64"), ("TARGETARCH", "arm"), ("X", "1")], &[]);
    assert_eq!(reads(&given), ["1 image a for linux/arm64", "3 context arm"]);
    let proxies = built(
        "FROM a\n",
        None,
        &[("http_proxy", "p"), ("HTTPS_PROXY", "q"), ("BUILDKIT_SYNTAX", "s"), ("X", "1")],
        &[],
    );
    assert_eq!(
        proxies.args.keys().map(String::as_str).collect::<Vec<_>>(),
        ["BUILDKIT_SYNTAX", "HTTPS_PROXY", "http_proxy"]
    );
}

#[test]
fn names_mean_what_the_builder_takes_them_for() {
    // The letters' case counts for `FROM` alone, and a number for `COPY --from` alone.
    assert_reads("FROM a AS Base\nFROM Base\n", &["2 image Base"]);
    assert_reads("FROM a AS Base\nFROM base\n", &["1 image a"]);
    assert_reads("FROM a AS Base\nFROM scratch\nCOPY --from=BASE / /\n", &["1 image a"]);
    assert_reads("FROM a\nFROM 0\n", &["2 image 0"]);
    assert_reads("FROM a\nFROM scratch\nCOPY --from=0 / /\n", &["1 image a"]);
    assert_reads("FROM a\nFROM b\nRUN --mount=from=0,target=/x true\n", &["2 image b", "3 image 0"]);
    assert_reads("FROM a AS x\nFROM b\nRUN --mount=from=X,target=/x true\n", &["1 image a", "2 image b"]);
    // A stage below is an image for `FROM`, and a mistake for the others.
    assert_reads("FROM b AS a\nFROM c AS b\nFROM a\n", &["1 image b"]);
    assert_reads("FROM x AS x\nFROM x\n", &["1 image x"]);
    let below = built("FROM a AS one\nCOPY --from=two / /\nCOPY --from=1 / /\nFROM b AS two\n", Some("one"), &[], &[]);
    assert_eq!(below.unknown().map(|(line, _)| line).collect::<Vec<_>>(), [2, 3]);
    assert_reads("FROM a AS x\nFROM b AS x\nFROM scratch\nCOPY --from=x / /\n", &["2 image b"]);
    assert_reads("FROM a AS x\nFROM scratch\nARG F=x\nCOPY --from=$F / /\n", &["1 image a"]);
    assert!(
        Dockerfile::read("FROM a\n")
            .closure(&Build { target: Some("0"), args: &Args::new(), contexts: &BTreeMap::new() })
            .is_none()
    );
}

#[test]
fn named_contexts_take_the_place_of_stages_and_images() {
    let text = "FROM a AS base\nCOPY . .\nFROM base\nCOPY --from=base / /\nRUN --mount=from=base,target=/x true\nCOPY --from=0 / /\n";
    let replaced = built(text, None, &[], &["base"]);
    assert_eq!(reads(&replaced), ["3 named base", "4 named base", "5 named base", "6 named base"]);
    assert!(replaced.members == [1].into() && replaced.stages.is_empty() && !replaced.text.contains("FROM a AS base"));
    assert_eq!(reads(&built(text, Some("base"), &[], &["base"])), ["1 named base"]);
    let text = "FROM docker.io/library/a:latest\nCOPY --from=demo/b / /\nCOPY --from=docker.io/demo/b:latest / /\nCOPY --from=demo/b:1 / /\n";
    let replaced = built(text, None, &[], &["a", "demo/b", "scratch"]);
    assert_eq!(reads(&replaced), ["1 named a", "2 named demo/b", "3 named demo/b", "4 image demo/b:1"]);
    assert_eq!(reads(&built("FROM scratch\n", None, &[], &["scratch"])), [""; 0]);
    // What a number means depends on stages that do not count.
    let text = "FROM a AS a\nFROM b AS b\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=1 / /\n";
    assert_ne!(closure(text).text, closure(&format!("FROM x\n{text}")).text);
    // What the replaced stage sets is not there.
    let text = "FROM a AS base\nENV X=1\nFROM base\nCOPY $X /\n";
    assert_eq!(reads(&built(text, None, &[], &[])), ["1 image a", "4 context 1"]);
    assert_eq!(reads(&built(text, None, &[], &["base"])), ["3 named base", "4 context $X"]);
}

#[test]
fn only_local_sources_are_the_build_context() {
    let reads_of_line = |line: &str| reads(&closure(&format!("FROM scratch\n{line}\n"))).join(", ");
    for (line, expected) in [
        ("COPY . .", "2 context ."),
        ("COPY [\"a b\", \"c\", \"/d\"]", "2 context a b c"),
        ("COPY --chown=a --link 'a' b /", "2 context a b"),
        ("ADD a https://h/x /", "2 url https://h/x false, 2 context a"),
        ("ADD --checksum=sha256:0 https://h/x /", "2 url https://h/x true"),
        ("ADD --checksum=$SUM https://h/x /", "2 url https://h/x false"),
        ("ADD --checksum=$TARGETARCH https://h/x /", "2 url https://h/x false"),
        ("ARG SUM=\nADD --checksum=$SUM https://h/x /", "3 url https://h/x false"),
        ("ARG SUM=\nADD --checksum=$SUM https://h/n.git#v1 /", "3 git https://h/n.git Named(\"v1\")"),
        ("ADD https://u@h/n.git#v1:sub /", "2 git https://h/n.git Named(\"v1\")"),
        ("ADD git@h:o/n.git?branch=b /", "2 git git@h:o/n.git Named(\"refs/heads/b\")"),
        ("ADD git@h:o/n.git?tag=refs/tags/b /", "2 git git@h:o/n.git Named(\"refs/tags/b\")"),
        (
            "ADD --checksum=0123456789012345678901234567890123456789 https://h/n.git#v1 /",
            "2 git https://h/n.git Commit(\"0123456789012345678901234567890123456789\")",
        ),
        ("ADD $X /", "2 unknown `ADD $X`"),
        ("COPY <<E <<-F b /x\na\nE\nc\n\tF", "2 context b"),
        ("COPY <<E /x\na\nE", ""),
        ("COPY --from=i / /", "2 image i"),
        ("RUN --mount=target=/x true", "2 context /"),
        ("RUN --mount=type=bind,source=a,\"target=/x y\" true", "2 context a"),
        ("RUN --mount=type=cache,target=/x true", ""),
        ("RUN --mount=type=cache,from=i,target=/x true", "2 image i"),
        ("RUN --mount=type=tmpfs,target=/x --network=none true", ""),
        ("RUN --mount=type=secret,id=t,required true", "2 secret t true"),
        ("RUN --mount=type=secret,target=/root/.netrc,required=false true", "2 secret .netrc false"),
        ("RUN --mount=type=ssh true", "2 ssh default false"),
        ("RUN --mount=type=ssh,id=k,required=true true", "2 ssh k true"),
        ("RUN --mount=type=new,target=/x true", "2 unknown a mount of type `new`"),
        ("RUN --new true", "2 unknown the flag `--new`"),
        ("COPY --new=1 a b", "2 unknown the flag `--new`, 2 context a"),
        ("NEW x", "2 unknown the instruction `NEW`"),
        ("FROM a b", "3 unknown `FROM a b`, 3 image a"),
        ("FROM a AS 1b", "3 unknown `FROM a AS 1b`, 3 image a"),
        ("ADD https://h/r.git#20240101 /", "2 git https://h/r.git Named(\"20240101\")"),
    ] {
        let line = if line.starts_with("FROM") { format!("RUN x\n{line}") } else { line.to_owned() };
        assert_eq!(reads_of_line(&line), expected, "{line}");
    }
    assert_reads("# syntax=docker/dockerfile:1.7-labs\nFROM a\n", &["2 image a"]);
    assert_reads("#Syntax = x/y:1\nFROM a\n", &["1 unknown the builder `x/y:1`", "2 image a"]);
    assert_eq!(reads(&built("FROM a\n", None, &[("BUILDKIT_SYNTAX", "z")], &[])).len(), 2);
    assert_eq!(reads(&built("FROM a\n", None, &[], &["a::linux/amd64"])).len(), 2);
    assert_reads("NEW\nFROM a\n", &["1 unknown the instruction `NEW` above all stages", "2 image a"]);
}

#[test]
fn what_a_stage_leaves_for_others_counts_for_them() {
    let text = "FROM a AS base\nONBUILD COPY <<E x /x\nhello\nE\nONBUILD ARG V=1\nONBUILD RUN make\nFROM base AS one\nFROM one\n";
    assert_eq!(reads(&built(text, Some("base"), &[], &[])), ["1 image a"]);
    let one = built(text, Some("one"), &[], &[]);
    assert_eq!(reads(&one), ["1 image a", "2 context x", "6 unknown `ONBUILD RUN`"]);
    assert!(one.args.contains_key("V"));
    assert_eq!(reads(&one), reads(&closure(text)), "but not for the next");
}

#[test]
fn a_variable_that_a_base_image_may_set_is_not_known() {
    let taken =
        |above: &str, reference: &str| reads(&closure(&format!("{above}\nADD https://h/r.git#{reference} /\n"))).pop();
    for (above, written, expected) in [
        ("FROM a", "${B:-main}", "${B}"),
        ("FROM a", "x${B:+main}", "x${B}"),
        ("FROM a\nARG B", "$B", "$B"),
        ("FROM a\nARG B=main", "${B:-x}", "main"),
        ("FROM scratch", "${B:-main}", "main"),
        ("FROM scratch\nENV B=main\nARG B", "$B", "main"),
        ("FROM scratch\nARG TARGETARCH", "${TARGETARCH:-main}", "${TARGETARCH}"),
        ("FROM scratch AS s\nFROM s\nARG B", "${B:-main}", "main"),
        ("FROM a AS s\nFROM s", "${B:-main}", "${B}"),
    ] {
        let line = above.lines().count() + 1;
        let expected = format!("{line} git https://h/r.git Named({expected:?})");
        assert_eq!(taken(above, written), Some(expected), "{above} {written}");
    }
    assert_eq!(reads(&built("FROM x AS s\nFROM s\nADD https://h/r.git#${B:-m} /\n", None, &[], &["s"])).len(), 2);
    assert_eq!(reads(&closure("FROM b-${TARGETARCH:-x}\n")), ["1 image b-${TARGETARCH}"]);
}

#[test]
fn a_long_chain_is_followed_at_once() {
    let chain: String = (0..10_000).map(|stage| format!("FROM s{stage} AS s{}\n", stage + 1)).collect();
    assert_eq!(built(&chain, Some("s10000"), &[], &[]).members.len(), 10_000);
    let chain: String = (0..10_000).map(|number| format!("ARG A{}=${{A{number}}}\n", number + 1)).collect();
    assert_eq!(closure(&format!("ARG A0=x\n{chain}FROM $A10000\n")).args.len(), 10_001);
    let line: String = (0..10_000).map(|number| format!(" A{}=$A{number}", number + 1)).collect();
    assert_eq!(closure(&format!("ARG A0=x{line}\nFROM $A10000\n")).args.len(), 10_001);
}
