# mypy: disable-error-code="no-untyped-call"
"""Builders of tiny models with random weights, so that tests run the real code paths without any download."""

import json
from pathlib import Path


def whisper_folder(folder: Path) -> Path:
    """A Whisper of some 100 kB, converted to CTranslate2; it says random words of small letters.

    CTranslate2 takes it for one that knows English only: the language can't be detected with it.
    """
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )
    from transformers.models.whisper.tokenization_whisper import bytes_to_unicode

    source = folder / "source"
    source.mkdir(parents=True)
    letters = list(bytes_to_unicode().values())
    languages = ["en", "de", "fr"]
    special = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{language}|>" for language in languages),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    ids = {token: number for number, token in enumerate([*letters, *special])}
    (source / "vocab.json").write_text(json.dumps(dict(list(ids.items())[: len(letters) + 1])))
    (source / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizerFast.from_pretrained(source, additional_special_tokens=special[1:])
    tokenizer.save_pretrained(source)
    extractor = WhisperFeatureExtractor(feature_size=80)
    extractor.save_pretrained(source)
    size = len(ids) + 1501
    config = WhisperConfig(
        vocab_size=size, num_mel_bins=80, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_source_positions=1500,
        max_target_positions=448, pad_token_id=ids["<|endoftext|>"], bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"], decoder_start_token_id=ids["<|startoftranscript|>"],
    )  # fmt: skip
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(config)
    said = {ids[c] for c in "etaoinshrdlu"} | {ids["\u0120"]}
    quiet = [number for token, number in ids.items() if number not in said and token != "<|endoftext|>"]
    # faster-whisper suppresses other tokens than the model asks for: these must be unlikely by themselves
    with torch.no_grad():
        model.model.decoder.embed_tokens.weight[[*quiet, *range(len(ids), size)]] = 0
    model.generation_config = GenerationConfig(
        suppress_tokens=[*quiet, *range(len(ids), size)],
        begin_suppress_tokens=[ids["<|endoftext|>"]],
        alignment_heads=[[0, 0]],
        lang_to_id={f"<|{language}|>": ids[f"<|{language}|>"] for language in languages},
    )
    model.save_pretrained(source)
    target = folder / "whisper"
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(str(target))
    return target


def wav2vec2_folder(folder: Path) -> Path:
    """A wav2vec2 CTC model of a few layers that knows the letters a-z and the apostrophe."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    target = folder / "wav2vec2"
    target.mkdir(parents=True)
    symbols = ["<pad>", "<s>", "</s>", "<unk>", "|", "'", *"abcdefghijklmnopqrstuvwxyz"]
    (target / "vocab.json").write_text(json.dumps({symbol: number for number, symbol in enumerate(symbols)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(target / "vocab.json"), word_delimiter_token="|")
    Wav2Vec2Processor(feature_extractor=Wav2Vec2FeatureExtractor(), tokenizer=tokenizer).save_pretrained(target)
    config = Wav2Vec2Config(
        vocab_size=len(symbols), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    Wav2Vec2ForCTC(config).save_pretrained(target)
    return target
