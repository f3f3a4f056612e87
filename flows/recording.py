"""The recipe: one recording in, one bundle out."""

from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State

from earwitness.audio.validate import refuse_if_unusable
from earwitness.clips.make import choose_clip_maker
from earwitness.corrections.voices import merge_voices
from earwitness.estimate import estimate
from earwitness.options import RunOptions
from earwitness.result import RunResult
from earwitness.words.align import choose_aligner
from tasks.alerting import LOOKED_AFTER, tell_of_run
from tasks.align import align, share_out
from tasks.cast import settle_names
from tasks.clip import clip, film_of, ranker_of
from tasks.correct import put_right
from tasks.diarize import diarize
from tasks.findings import gather
from tasks.listen import listen
from tasks.memory import remember
from tasks.plan import plan
from tasks.preprocess import preprocess
from tasks.publish import compose, place
from tasks.run import Run
from tasks.show import make_episode
from tasks.speakers import listen_to_speakers
from tasks.stage import time_limit_s
from tasks.summarize import take_notes
from tasks.summary import show_result, show_timeline
from tasks.transcribe import transcribe, vocabulary_for
from tasks.validate import validate


@flow(name="recording", flow_run_name="{path.name}", persist_result=False, **LOOKED_AFTER)
def process_recording(path: Path, options: RunOptions | None = None) -> State[RunResult]:
    """Who said what and when, cited notes, clips and an archive-ready bundle of one recording.

    Args:
        path: a recording that the worker can read, see `tracks`; or a bundle, which is made anew with `corrections`.
        options: everything that can be set; leave empty for a tabletop session with the best engines at hand.
    """
    with Run(path, options or RunOptions()) as run:
        job = run.begin(plan(path, run.options))
        want, engines = job.options, run.engines

        validated = run.do(
            validate,
            path=job.source,
            sha256=job.sha256,
            slice_ms=job.slice_ms,
            settings=want.validate_,
            engine=engines["validate"],
            layout=job.layout,
        )
        refuse_if_unusable(validated)
        run.duration_ms = validated.facts.duration_ms
        forecast = estimate(validated, engines, want, None if job.slice_ms else job.sidecar)
        if want.dry_run:
            run.estimate = forecast
            return run.state()
        run.expect(forecast)
        limit_s = time_limit_s(want.limits, run.duration_ms)
        cleaning, engine = want.preprocess, engines["preprocess"]
        speech = run.do(preprocess, validated=validated, settings=cleaning, engine=engine, time_limit_s=limit_s)

        listening_copy = run.start(
            listen, path=job.source, validated=validated, settings=want.listen, engine=engines["listen"]
        )
        turns = run.start(
            diarize, speech=speech, settings=want.diarize, engine=engines["diarize"], time_limit_s=limit_s
        )
        text = run.start(
            transcribe,
            speech=speech,
            settings=want.transcribe,
            engine=engines["transcribe"],
            sidecar=job.sidecar,
            slice_ms=job.slice_ms,
            vocabulary=vocabulary_for(engines["transcribe"], job.cast),
            time_limit_s=limit_s,
        )
        diarized, transcribed, listening = run.hope(turns), run.hope(text), run.hope(listening_copy)

        aligned = summarized = clipped = None
        if transcribed is None:
            run.skip("align", "summarize", because="there are no words to work on")
        else:
            aligned = run.hope(
                run.start(
                    align,
                    speech=speech,
                    transcribed=transcribed,
                    diarized=diarized,
                    settings=want.align,
                    engine=run.use("align", engines.get("align") or choose_aligner(want.align, transcribed.language)),
                    time_limit_s=limit_s,
                )
            ) or share_out(speech, transcribed, diarized, run)
        if aligned is not None:
            aligned = put_right(speech, aligned, run)
        diarized = merge_voices(diarized, job.corrections)
        talk = listen_to_speakers(speech, diarized, aligned, run)
        named = settle_names(speech, diarized, aligned, run)

        if aligned is not None:
            summarized = take_notes(aligned, named.speakers, run)
        if listening is None:
            run.skip("clip", because="there is no listening copy to cut clips from")
        else:
            clipped = run.hope(
                run.start(
                    clip,
                    listening=listening,
                    speech=speech,
                    aligned=aligned,
                    diarized=None if aligned else diarized,
                    speakers=named.speakers,
                    summarized=summarized.for_clips() if summarized else None,
                    profile=want.profile,
                    settings=want.clip,
                    engine=run.use("clip", choose_clip_maker()),
                    given=job.given_for_clips(engines),
                    film=film_of(job, validated),
                    ranker=ranker_of(job),
                )
            )

        shown = make_episode(speech, listening, aligned, named.speakers, summarized, run)
        found = (validated, speech, listening, diarized, transcribed, aligned, talk, named, summarized, clipped, shown)
        findings = gather(run, *found)
        composed = compose(findings, run)
        run.lacks(composed.missing)
        bundle, written = place(composed, want.out)
        run.placed(bundle, written=written)
        remember(summarized, run)
        show_timeline(findings)

    show_result(run.result())
    tell_of_run(run.result())
    return run.state()
