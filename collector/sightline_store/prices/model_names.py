"""Under which providers and names the price of a model is looked up, and what is computed on machines of one's own.

A model has many names: with the gateway's prefix, the cloud's folder, a region, a date, or no provider at all.
`candidates` says where to look, the surest first. A name that stands for something of the caller's own (an imported
model, an endpoint) has no candidates: its price is unknown, and never that of a model whose name is part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PROVIDERS: dict[str, str] = {
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure.openai": "azure",
    "azureopenai": "azure",
    "azure.ai": "azure",
    "gcp.gemini": "google",
    "gcp.gen.ai": "google",
    "gcp.vertex.ai": "google",
    "google.gla": "google",
    "google.vertex": "google",
    "google.genai": "google",
    "google.generative.ai": "google",
    "vertex.ai": "google",
    "vertex.ai.beta": "google",
    "vertexai": "google",
    "gemini": "google",
    "x.ai": "x-ai",
    "xai": "x-ai",
    "grok": "x-ai",
    "mistral.ai": "mistral",
    "mistralai": "mistral",
    "moonshot.ai": "moonshotai",
    "moonshot": "moonshotai",
    "together.ai": "together",
    "togetherai": "together",
    "fireworks.ai": "fireworks",
    "deep.seek": "deepseek",
    "perplexity.ai": "perplexity",
    "voyage": "voyageai",
    "voyage.ai": "voyageai",
    "amazon.bedrock": "aws",
    "bedrock.converse": "aws",
    "openai.like": "openai",
    "cohere.chat": "cohere",
}
"""Spellings of providers (lower case, `.` for every separator) to the package's ids, where it would not know them."""

LOCAL_PROVIDERS = frozenset(
    {
        "ollama",
        "ollama_chat",
        "vllm",
        "hosted_vllm",
        "sglang",
        "tgi",
        "llama.cpp",
        "llama_cpp",
        "llamacpp",
        "llamafile",
        "lmstudio",
        "lm_studio",
        "lm-studio",
        "localai",
        "gpt4all",
        "mlx",
        "xinference",
        "infinity",
        "onnx",
        "onnxruntime",
        "fastembed",
        "sentence-transformers",
        "sentence_transformers",
        "transformers",
        "local",
    }
)
"""Providers that are software which runs on machines of one's own."""

_OWN_MODELS = re.compile(r"(?:lexical|extractive-v[0-9]+|onnx:.+)", re.IGNORECASE)
"""This project's parts that are no language model."""

_TAGGED_MODELS = re.compile(r"(?!ft:)[^/:]+:(?:latest|[0-9.]+[bm](?:-.+)?)", re.IGNORECASE)
"""Ollama's names with a tag. They prove it only without a provider: a gateway may sell models under such names."""

_GATEWAYS = frozenset({"", "litellm", "gateway", "ai-gateway", "portkey", "helicone", "vercel", "requesty", "bifrost"})
"""Providers that pass calls on, so that the model's name says whose it is."""

_PREFIX_PROVIDERS = frozenset(
    {
        "openai",
        "azure",
        "azure_ai",
        "azure_openai",
        "bedrock",
        "bedrock_converse",
        "vertex_ai",
        "vertexai",
        "gemini",
        "google",
        "google-gla",
        "google-vertex",
        "google_genai",
        "google_vertexai",
        "anthropic",
        "groq",
        "together_ai",
        "together",
        "fireworks_ai",
        "fireworks",
        "mistral",
        "cohere",
        "cohere_chat",
        "deepseek",
        "xai",
        "x-ai",
        "perplexity",
        "openrouter",
        "voyage",
        "cerebras",
        "moonshot",
    }
)
"""What gateways and frameworks put before a model's name, with `/` or `:`. Organisations of model hubs are not among
them: their names say nothing of who serves the model."""

_OPEN_WEIGHTS = re.compile(r"^(?:gemma|gpt-oss|mistral-7b|mixtral|open-|llama|qwen|phi|deepseek-(?:r1|v3))")
"""Models that anyone may serve: a hub's name of one (`google/gemma-2-9b-it`) is not its maker's service."""

_PRIVATE = re.compile(
    r"(?:^|[:/])(?:custom-model|custom-model-deployment|provisioned-model|imported-model|application-inference-profile)/"
    r"|(?:^|/)endpoints/|^tunedmodels/|^accounts/(?!fireworks/models/)|(?:^|/)deployedmodels/",
    re.IGNORECASE,
)
"""Names of what belongs to one customer: tuned and imported models, endpoints, profiles."""

_BEDROCK = re.compile(
    r"^(?:(?:us|eu|apac|au|jp|ca|sa|us-gov|global)\.)?(?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek|openai|qwen|writer)\."
)
_FOLDERS = re.compile(
    r"^(?:arn:[^/]*/|(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/|models/|accounts/fireworks/models/)"
)
_VARIANT = re.compile(r":(?:nitro|floor|beta|online|extended|thinking|exacto)$")
_FINE_TUNED = re.compile(r"^ft:|[.:]ft-")

# What some write behind a provider's name: openai.chat, anthropic.messages, google.vertex.chat.
_INTERFACES = frozenset({"chat", "responses", "messages", "completion", "completions", "embedding", "embeddings"})


@dataclass(frozen=True)
class Candidate:
    """A place to look: the package's id of a provider ('' asks whose name it is), a name, and whether we guessed."""

    provider: str
    model: str
    guessed: bool = False


def provider_id(name: str) -> str:
    """The package's id for a provider however it is spelled; what is not known is only lowered and stripped."""
    plain = re.sub(r"[\s_.\-]+", ".", name.strip().lower())
    head, _, last = plain.rpartition(".")
    if plain not in PROVIDERS and head and last in _INTERFACES:
        plain, name = head, name.strip()[: -len(last) - 1]
    return PROVIDERS.get(plain, name.strip().lower())


def is_local(provider: str, model: str) -> bool:
    """Whether a call is computed on machines of one's own, where no provider bills tokens."""
    head, slash, tail = model.partition("/")
    name = provider_id(provider)
    if name in _GATEWAYS | {"openai"} and slash and head.lower() in LOCAL_PROVIDERS:
        name, model = head.lower(), tail
    if name in LOCAL_PROVIDERS:
        return not model.lower().endswith(("-cloud", ":cloud"))  # Ollama's own service
    if name == "" and _TAGGED_MODELS.fullmatch(model):
        return True
    return name in {"", "openai"} and _OWN_MODELS.fullmatch(model) is not None


def is_fine_tuned(model: str) -> bool:
    """Whether the name is that of a tuned model, which has a price of its own."""
    return _FINE_TUNED.search(model.lower()) is not None


def is_open(model: str) -> bool:
    """Whether anyone may serve the model, so that its name alone says nothing of the price."""
    return _OPEN_WEIGHTS.match(model.lower()) is not None


def candidates(provider: str, model: str) -> Iterator[Candidate]:
    """Where to look for a model's price, the surest first; nothing for a name that is the caller's own."""
    name, model = provider_id(provider), model.strip()
    if not model or _PRIVATE.search(model):
        return
    if name in _GATEWAYS:
        name = ""
    prefixed = list(_prefixed(name, model))
    own = Candidate(name or _owner_by_form(model), model, guessed=not name)
    if not own.provider and "/" in _FOLDERS.sub("", model):
        places = prefixed
    elif name and all(place.provider == name for place in prefixed):
        places = [own, *prefixed]  # some providers have names that begin with their own
    else:
        places = [*prefixed, own]
    for place in places:
        for spelling in _spellings(place.model):
            yield Candidate(place.provider, spelling, place.guessed)
    if name == "openai" and "/" not in model and not is_open(model) and not is_fine_tuned(model):
        # OpenAI's client with another's address, or a gateway's.
        yield Candidate("", model, guessed=True)


def _prefixed(name: str, model: str) -> Iterator[Candidate]:
    """The provider that stands before the name; an OpenAI client may talk to a gateway."""
    match = re.match(r"([A-Za-z0-9_-]+)[/:](.+)", model)
    if match is None or match[1].lower() not in _PREFIX_PROVIDERS:
        return
    head, tail = provider_id(match[1]), match[2]
    is_hub_name = match[1].lower() in {"openai", "google"} and is_open(tail)
    if name in {"", "openai", head} and not is_hub_name:
        deeper = list(_prefixed("", tail)) if head != "openrouter" else []
        yield from deeper or [Candidate(head, tail, guessed=name != head)]


def _owner_by_form(model: str) -> str:
    """Whose form of name it is, '' where any may have it."""
    lower = model.lower()
    if _BEDROCK.match(lower) or lower.startswith("arn:aws:bedrock:"):
        return "aws"
    if re.match(r"ft:(?:gpt-|o[0-9]|davinci|babbage)", lower):
        return "openai"
    if lower.startswith(("publishers/", "projects/", "models/gemini")):
        return "google"
    return "fireworks" if lower.startswith("accounts/fireworks/") else ""


def _spellings(model: str) -> Iterator[str]:
    """The name as it is, then without folders, as the maker spells it, with dates as the package writes them."""
    plain = _FOLDERS.sub("", model)
    tried: set[str] = set()
    for spelling in (
        model,
        plain,
        re.sub(r"^gpt-35-", "gpt-3.5-", plain, flags=re.IGNORECASE),
        plain.replace("@", "-"),
        _VARIANT.sub("", plain),
    ):
        if spelling not in tried:
            tried.add(spelling)
            yield spelling
