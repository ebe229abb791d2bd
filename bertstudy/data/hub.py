"""Whether the Hugging Face hub can be reached; where it can't, loaders are set to use their caches at once."""

from functools import lru_cache


@lru_cache(maxsize=1)
def reachable() -> bool:
    """True where the hub answers within three seconds; else Hugging Face's loaders are offline for this process.

    Without this each load would first retry for half a minute.
    """
    import datasets
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if not constants.HF_HUB_OFFLINE:
        try:
            get_session().head(constants.ENDPOINT, timeout=3)
            return True
        except Exception:  # whatever the client of this version raises: it means no hub
            constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    return False
