"""Everyday words and the words that manuals use for them.

General English and computing, from what programmers call things; not derived from the shipped questions, of which a
sample of 16 had been read when the list was last enlarged (quality is best judged on the other ones).
Applied to questions only, at a lower weight than their own words. One line for each idea: the everyday words, a colon,
the words of manuals; an everyday word may stand in several lines, and ``a_b`` is a phrase.
"""

from __future__ import annotations

_LINES = """
folder dir: directory path
delete erase wipe purge: remove unlink rmtree clear
rid drop throw discard: remove discard delete
strip trim chop: remove strip leading trailing whitespace
create new: create make new
build assemble construct: create construct build join
launch spawn fork: start run spawn process popen
start begin: run start launch
run execute call invoke: run execute call process
kill: terminate kill stop process signal
stop halt abort quit: stop terminate cancel exit
program script executable binary: process command program executable
shell bash terminal_command command: process command subprocess shell
pick select grab draw: choose select choice random sample
choose: select choice
random dice lottery coin: random choice uniform randint
shuffle mix scramble: shuffle random
secure safe safely unguessable: cryptographic secret safe secure
password passphrase login credential: secret password getpass
average: mean average
spread variation: deviation variance stdev
biggest highest largest most max maximum top: largest maximum max nlargest
smallest lowest least min minimum bottom: smallest minimum min nsmallest
combine merge glue stitch concatenate unite: merge combine join concatenate chain update
divide split cut break chop separate: split partition slice divide
shorten truncate ellipsis abbreviate clip: truncate shorten collapse
wrap wrapping reflow: wrap fill textwrap width
find search locate lookup discover: search find match locate
check verify test whether validate ensure: check test return true validate
compare: compare difference equal
difference diff differ changed changes: difference compare delta diff
count occurrences frequency tally histogram: count number occurrences counter frequency
convert turn transform change cast coerce: convert transform parse
translate map mapping: translate map convert table
parse read_out interpret decode: parse decode convert parser
read load import_from open: read load open parse
save write persist store dump export: write dump save store persistent serialize
serialize marshal: dump pickle serialize
deserialize unpickle: load loads pickle
print show display output: print display format output
pretty readable nicely tidy human: pretty pprint indent format
screen console terminal tty: terminal console tty
wait block hang: wait block sleep join
pause sleep delay: sleep suspend delay
measure timing stopwatch elapsed how_long took takes: time timer perf_counter elapsed clock
benchmark slow fast faster speed performance bottleneck: time timer timeit profile performance
clock: time clock monotonic
date calendar day days: date datetime calendar day
month year week weekday monday sunday: date calendar weekday month
tomorrow yesterday ago later from_now: timedelta date difference duration
duration hours minutes seconds: timedelta seconds duration
timezone time_zone utc tz zone local_time: timezone utc tzinfo zoneinfo astimezone
timestamp epoch unix: timestamp epoch time fromtimestamp
iso iso8601 rfc3339: isoformat fromisoformat iso
cache memoize remember reuse: cache lru memoize
expensive repeated: cache
parallel simultaneously concurrently at_once at_the_same_time multicore: concurrent parallel pool multiprocessing
background meanwhile: thread background task daemon
thread threads: thread threading
async asynchronously coroutine await awaitable: asyncio asynchronous coroutine await
child children sibling siblings: child task process group
cancel cancelled cancellation: cancel cancelled task
event_loop: loop event asyncio
lock race mutex simultaneous: lock acquire semaphore synchronization
limit throttle at_most cap: limit maximum bounded semaphore
share shared communicate between_processes: shared queue pipe manager
compress zip shrink smaller: compress compression zip gzip zlib
unzip decompress extract unpack untar: extract decompress unpack archive
archive tarball tar: archive tar zip
download fetch scrape: urlopen retrieve request url
website web page site http https: http url request
link href: url link symlink
shortcut alias: symlink link
url address query_string querystring: url parse quote query
percent url_encode: quote urlencode escape
api rest endpoint webhook: http request url
signature sign signed tamper: hmac digest signature
email mail message: email message smtp mail
attachment: attachment email mime
encrypt encryption tls certificate: ssl cipher certificate context
checksum fingerprint integrity hash sha md5: hash digest checksum sha256
token nonce: token secret
unique distinct duplicate duplicates dedupe repeated: unique duplicate set distinct
identifier id guid: uuid unique identifier identity
copy clone duplicate independent: copy deepcopy
backup: copy
order sort sorting ordered rank: sort sorted order key
reverse backwards backward newest_first opposite: reverse reversed order
loop iterate step_through walk: iterate iterator iterable walk
nested nesting: nested product recursive
pair pairs together side_by_side in_step lockstep: zip pair tuples aggregate iterables
index position numbering counter: enumerate index position count
consecutive adjacent neighbors neighbours in_a_row sliding: pairwise consecutive groupby
chunk chunks batch batches groups_of: batch batched chunk islice
group bucket bin: group groupby key
flatten flat: chain iterable
every_combination all_combinations combinations subsets: combinations product permutations
ordering orderings arrangement arrangements: permutations ordering
cartesian cross grid: product cartesian
running cumulative so_far total_so_far: accumulate cumulative sum
forever endless infinite repeatedly: cycle repeat count infinite
skip skipping ignore: skip drop islice ignore
filter only keep matching: filter matching select
first_few head take front: islice first head
last_few tail recent latest end: last deque maxlen tail
fifo line waiting_line queue: queue deque fifo
priority urgent: priority heap heapq priorityqueue
stack undo lifo: stack append pop lifo
list array: list sequence
dictionary dict hashmap lookup_table: dict dictionary mapping key
missing absent default fallback: default missing setdefault get defaultdict
key keys: key mapping
layered override defaults: chainmap mapping update
immutable readonly read_only frozen freeze: immutable frozen frozenset mappingproxy read-only
tuple record struct named fields: namedtuple dataclass field tuple
class object instance: class object instance
attribute attributes property: attribute property getattr setattr
computed lazily lazy once: cached_property lazy property
dynamically runtime on_the_fly: dynamic runtime type
inherit subclass parent base: subclass base inherit super
interface abstract must_implement: abstract abstractmethod abc protocol
boilerplate constructor: dataclass constructor init
enum constants choices: enum constant enumeration member
flags bitmask bits: flag bits bitwise
operator plus: operator
overload by_type dispatch: singledispatch dispatch overload
partial prefill fixed_argument bind: partial argument bind
decorator wrap wrapper wrapped: wraps decorator wrapper function
annotation annotate hint hints typed: annotation typing type hint
generic: generic typevar
optional nullable: optional none
text string str: string str text
letter letters character characters char chars: character string alphabetic
uppercase capital capitals capitalize: upper uppercase capitalize title
lowercase small_letters: lower lowercase
case_insensitive ignore_case ignoring_case: casefold lower ignorecase
accent accents diacritics unicode umlaut: unicode unicodedata normalize
emoji: unicode character name
pad padding zeros leading_zeros: zfill fill padded justify rjust
align column columns centered center: justify center align ljust width
prefix starts_with begins front: prefix startswith leading
suffix ends_with ending: suffix endswith trailing
newline lines line: lines splitlines line newline
word words token tokens: words split whitespace
spaces whitespace blank: whitespace strip
indent indented indentation: indent dedent whitespace
template placeholder fill_in substitute: template substitute format placeholder
format formatted formatting: format formatting string
thousands separator comma_separated currency money: locale format decimal currency
language german french locale: locale
quotes quoting escape escaping: quote escape shlex
html tags entities: html escape unescape parser
xml: xml element etree
json: json
yaml toml ini config configuration settings: configuration configparser toml config option
csv spreadsheet excel delimited: csv reader writer row dialect
table tabular: rows table csv sqlite
database db sql sqlite: sqlite3 database connection execute
transaction commit rollback: commit rollback transaction
number integer digits numeric: integer number digit numeric
float floating decimal decimals: float decimal
round rounding nearest: round rounding quantize
precise exact accurate accuracy precision: exact precision accurate decimal fsum
nearly close approximately basically almost tolerance: close isclose approximately tolerance
remainder leftover modulo: remainder modulo divmod
fraction ratio rational: fraction rational
binary hex hexadecimal octal base: hexadecimal binary hex base
bytes byte raw: bytes binary buffer
endian packed layout network_order: struct pack unpack byte
encode encoding charset utf8: encoding encode codec
garbled mojibake undecodable: encoding errors decode
base64: base64 encode decode
root square power exponent: sqrt power exponent
divisor factor multiple: gcd lcm divisor
angle degrees: radians degrees
distance: distance dist hypot
probability normal bell gaussian: normal gauss distribution
weighted weights: weights choices
middle median percentile quartile: median quantiles
total sum add_up: sum total
multiply product_of: prod product multiply
error exception failure fails failing failed: exception error raise
catch handle swallow: except suppress exception
silence hide suppress quiet mute: suppress ignore filter warnings
crash crashes segfault: faulthandler traceback exception
traceback stacktrace stack_trace: traceback stack format_exc
several_errors multiple_errors: exceptiongroup exception group
warn warning deprecated: warning warnings deprecation
debug debugger breakpoint inspect: debugger breakpoint pdb inspect
log logging logs logger: logging logger handler log
rotate rotating rollover: rotating rotatingfilehandler maxbytes
profile profiler hot: profiler cprofile profile
memory ram leak leaks: memory tracemalloc allocation gc
garbage unreferenced weak: weakref garbage collector
size big_is length long: size length len getsizeof
test tests unittest assertion: unittest test assert testcase
mock fake stub pretend monkeypatch: mock patch fake
fixture setup teardown: setup teardown fixture
inputs cases parametrize: subtest test parameters
argument arguments parameter parameters argv: argument parameter argv
flag flags option options cli command_line: argparse argument option parser
subcommand subcommands: subparsers parser
prompt ask_user typed keyboard input: input prompt read
hidden without_echo masked: getpass echo
autocomplete tab completion: readline completer
environment env variable variables: environ getenv environment
path paths filename filenames: path pathname filename
extension: suffix splitext extension
basename last_component stem: basename name stem
absolute full_path: absolute abspath resolve
relative: relative relpath
parent upper_level: parent dirname
home user_directory tilde: home expanduser
current_directory working_directory cwd: getcwd cwd chdir directory
exist exists present there: exists exist isfile
recursively recursive subfolders subdirectories tree nested_folders: recursive walk rglob tree directory
wildcard glob pattern star: glob pattern fnmatch wildcard
temporary temp scratch throwaway: temporary tempfile
permission permissions executable mode chmod: chmod mode permission
owner: chown owner stat
modified mtime last_changed: modification mtime stat time
disk space free full: disk_usage free space
rename move relocate: rename move replace
atomic atomically half_written: replace rename atomic
identical same_content: cmp compare equal identical
huge large_file big_file: mmap chunk iterate memory
watch follow poll: poll select monitor
regex regexp regular_expression: regular expression pattern re
replace substitute swap: replace substitute sub
pull_out capture: findall group match
between_delimiters tokenize: split tokenizer shlex
match matches: match search pattern
typo misspelled similar closest fuzzy did_you_mean: close matches difflib similar get_close_matches
source code: source code inspect ast
syntax_tree syntax parse_code: ast parse syntax
evaluate eval expression: eval literal_eval evaluate
bytecode disassemble: dis bytecode disassemble
signature_of accepts takes_arguments: signature parameters inspect
docstring help: docstring getdoc help
caller called_from: frame stack currentframe
module package library: module import package
import dynamically_import plugin plugins: import_module importlib entry_points
installed version versions: version metadata
site-packages interpreter installation: sysconfig site prefix executable path
virtual_environment virtualenv: venv
machine computer os operating_system platform windows linux mac: platform system machine
cpu processor cores: cpu_count processors
hostname host ip: hostname gethostname address socket
ip_address subnet network cidr: ipaddress network address
network tcp udp socket port connection: socket connection port
server serve listen: server socketserver listen http
client: client connection
broadcast: socket sendto
signal sigterm sigint ctrl-c ctrl interrupt: signal handler sigint keyboardinterrupt
exit shutdown cleanup at_exit: atexit exit register cleanup
exit_code return_code status: returncode exit status
stdout stderr stdin: stdout stderr stdin redirect
redirect capture: redirect_stdout capture pipe output
pipe: pipe stdin stdout
close closing closed cleanup release: close closing exit context
with context_manager with_statement: context manager contextmanager exitstack
several_files many_files unknown_number: exitstack context
schedule cron every_minutes periodically: scheduler sched timer
timeout deadline give_up too_long: timeout wait_for
retry again: retry repeat
result results collect gather: result gather collect
finished done completed as_they_finish: completed as_completed done wait
future promise: future result
producer consumer worker workers: queue worker task_done put
daemon: daemon thread
per_thread thread_local: local thread contextvars
per_request context_local: contextvar context
subprocess external: subprocess process popen
user username who: getuser user login
browser: webbrowser open
color colour: color colorsys curses
sound audio music: wave audio sound
image picture: image
gui window: tkinter
turn_on enable: enable set
turn_off disable: disable
constant pi: constant pi
bisect insert_sorted keep_sorted: bisect insort sorted
merge_sorted: merge heapq sorted
topological dependency dependencies: topologicalsorter graph predecessor
graph: graph
swap: replace exchange
even odd: remainder modulo
true all any: true all any
callback hook: callback register
freeze: freeze frozen
sequence numbers range: range sequence
literal: literal
ordinal code_point ascii: ord chr unicode ascii
mime content_type filetype: mimetypes guess type
cookie cookies: cookie cookies
robots crawler: robotparser
proxy: proxy handler
ftp: ftp
ssh: socket
zip_code: string
roman: string
"""


def _parse(lines: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in lines.strip().splitlines():
        everyday, _, manual = line.partition(":")
        for word in everyday.split():
            held = found.setdefault(word.replace("_", " "), [])
            held.extend(other for other in manual.split() if other != word and other not in held)
    return {word: tuple(others) for word, others in found.items()}


THESAURUS: dict[str, tuple[str, ...]] = _parse(_LINES)
"""Everyday word or phrase (words with one space between) -> related words of manuals."""
