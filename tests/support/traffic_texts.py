"""What people ask, what is answered, and the passages that are found, in made-up traffic."""

HOSTILE_QUESTION = (
    "<script>alert('x')</script> ![pixel](http://127.0.0.1:9/p.png) [click](javascript:alert(1)) "
    "**bold** $\\frac{a}{b}$"
)
QUESTIONS = (
    (
        "How do I run a coroutine with a time limit?",
        "Use asyncio.timeout() as an asynchronous context manager, or asyncio.wait_for() [1].",
    ),
    (
        "Which function splits a path into its parts?",
        "pathlib.PurePath.parts gives a tuple of the components [1]; os.path.split gives head and tail [2].",
    ),
    (
        "How can I cache the results of a function?",
        "functools.lru_cache wraps a function and remembers up to maxsize recent calls [1].",
    ),
    (
        "What reads a CSV file into dictionaries?",
        "csv.DictReader maps each row to a dict whose keys are the fieldnames [1].",
    ),
    (
        "How do I compare two text files line by line?",
        "difflib.unified_diff yields the delta of two lists of lines [1].",
    ),
    ("How do I keep a heap of the largest items?", "heapq.nlargest returns a list with the n largest elements [1]."),
    (
        HOSTILE_QUESTION,
        "I can't help with that <img src=x onerror=alert(2)>, but html.escape() converts those characters [1].",
    ),
)
PASSAGES = (
    (
        "asyncio.timeout",
        "Timeout async context manager. Useful in cases when you want to apply timeout logic around a block of code.",
    ),
    (
        "functools.lru_cache",
        "Least-recently-used cache decorator. If maxsize is set to None, the LRU features are disabled.",
    ),
    (
        "csv.DictReader",
        "Create an object that operates like a regular reader but maps the information in each row to a dict.",
    ),
    ("difflib.unified_diff", "Compare two sequences of lines; generate the delta as a unified diff."),
    (
        "heapq.nlargest",
        "Find the n largest elements in a dataset. Equivalent to sorted(iterable, key=key, reverse=True)[:n].",
    ),
    ("pathlib.PurePath.parts", "An object providing sequence-like access to the components in the filesystem path."),
    ("html.escape", 'Replace special characters "&", "<" and ">" to HTML-safe sequences.'),
)
