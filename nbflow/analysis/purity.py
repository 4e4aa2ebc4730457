"""What is known of callables by their names alone.

A name says nothing for certain, so these tables err on the side of change: what stands in none of
them is reported as a call that may change its receiver and arguments.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PURE_FUNCTIONS: Final = _words(
    """abs all any ascii bin bool bytes callable chr complex dict dir display divmod enumerate filter
    float format frozenset getattr hasattr hash help hex id input int isinstance issubclass iter len
    list map max min oct open ord pow print range repr reversed round set slice sorted str sum super
    tuple type zip object property staticmethod classmethod memoryview bytearray
    BaseException Exception ArithmeticError AssertionError AttributeError FileNotFoundError IOError
    ImportError IndexError KeyError KeyboardInterrupt LookupError NameError NotImplementedError OSError
    OverflowError RuntimeError StopIteration SystemExit TimeoutError TypeError ValueError Warning
    UserWarning DeprecationWarning ZeroDivisionError
    Path PurePath Counter OrderedDict defaultdict deque namedtuple partial Decimal Fraction
    datetime timedelta date deepcopy lru_cache cached_property wraps dataclass field Enum
    glob getenv product combinations permutations chain islice tqdm trange suppress nullcontext"""
)
"""Functions that change none of their arguments."""

PURE_METHODS: Final = _words(
    """abs agg aggregate align all any argmax argmin argsort array asarray asfreq assign astype at_time
    between bfill bool capitalize casefold ceil center clip columns combine_first compare concat
    contains copy corr corrcoef corrwith cos count cov crosstab cross_val_score cummax cummin
    cumprod cumsum cut date_range decode deepcopy describe diff difference digest dot drop
    drop_duplicates dropna duplicated encode endswith eq equals ewm exp expand_dims expanding
    explode eye factorize ffill fillna filter find findall finditer first first_valid_index flatten
    floor format from_dict from_records fromkeys full full_like fullmatch ge get get_dummies
    get_group get_params groupby gt head hexdigest hstack idxmax idxmin iloc index info interp
    interpolate intersection is_dir is_file isalpha isclose isdigit isdisjoint isfinite isin isinf
    isna isnan isnull isoformat issubset issuperset items iterdir iterrows itertuples join keys kurt
    last le len length lexsort linspace ljust log log10 log1p log2 logspace lower lstrip lt map mask
    match mean median melt memory_usage merge min max mode month_name most_common ndim ne nlargest
    nonzero notna notnull nsmallest nunique ones ones_like pad pct_change percentile pivot
    pivot_table prod quantile query ravel rank read_bytes read_csv read_excel read_feather read_html
    read_json read_parquet read_pickle read_sql read_sql_query read_table read_text reindex rename
    rename_axis reorder_levels repeat replace resample reset_index reshape resolve rfind rglob
    rindex rjust roll rolling round rsplit rstrip score search select select_dtypes sem set_axis
    set_index shift sin skew sort_index sort_values split splitlines sqrt squeeze stack startswith
    std str strftime strip strptime sub subtract sum swapaxes swapcase symmetric_difference tail tan
    tanh tensordot tile to_csv to_datetime to_dict to_excel to_feather to_frame to_html to_json
    to_latex to_list to_markdown to_numeric to_numpy to_pandas to_parquet to_period to_pickle
    to_polars to_string to_timedelta to_timestamp tobytes tolist trace transform translate transpose
    tz_convert tz_localize unstack union unique upper value_counts values var view vstack where
    with_columns with_suffix xs zeros zeros_like zfill predict predict_proba decision_function glob
    exists apply applymap pipe map_elements map_batches dirname basename arange meshgrid
    column_stack train_test_split matmul norm inv det collect lazy group_by with_row_index scan_csv
    scan_parquet read_ipc cat dt combinations permutations product timedelta"""
)
"""Methods, and functions of well known modules, that change neither receiver nor arguments."""

MUTATING_METHODS: Final = _words(
    """append appendleft add clear compile discard difference_update extend extendleft fill fit
    fit_predict fit_transform fit_resample insert intersection_update itemset load_state_dict
    move_to_end partial_fit pop popitem popleft put remove resize reverse rotate setdefault setflags
    set_params sort subtract_update symmetric_difference_update train update warm_start write writelines
    seek read readline readlines truncate close flush shuffle send throw __setitem__ __delitem__
    __setattr__ __delattr__ __iadd__ __next__ backward step zero_grad add_ mul_ sub_ div_ zero_ fill_
    copy_ clamp_ uniform_ normal_ requires_grad_"""
)
"""Methods that change their receiver."""

CONTAINER_METHODS: Final = _words(
    """append appendleft add clear discard difference_update extend extendleft insert intersection_update
    pop popitem popleft remove rotate reverse setdefault sort symmetric_difference_update update fill
    move_to_end __setitem__ __delitem__ __next__"""
)
"""Methods that change their receiver and certainly nothing else."""

HIGHER: Final = _words(
    "apply applymap map filter reduce pipe agg aggregate starmap map_elements map_batches imap submit"
)
"""Callables that call their first argument."""

STORING_METHODS: Final = _words(
    "append appendleft add extend extendleft insert setdefault update put __setitem__"
)
"""Methods after which the receiver holds what it was given."""

MUTATING_FUNCTIONS: Final = _words(
    """shuffle heappush heappop heapify heapreplace heappushpop insort insort_left insort_right copyto
    putmask place fill_diagonal put_along_axis setattr delattr next anext setitem delitem iadd
    vector_to_parameters"""
)
"""Functions that change their first argument, whichever module they come from."""

MODULE_FUNCTIONS: Final = {"np": _words("put"), "numpy": _words("put")}
"""Functions that change their first argument, by module, where the name alone says too little."""

VIEWS: Final = _words(
    """get items values keys setdefault pop popitem reshape view ravel transpose swapaxes squeeze
    diagonal asarray asanyarray ascontiguousarray atleast_1d atleast_2d broadcast_to array_split split
    hsplit vsplit expand_dims from_numpy as_tensor frombuffer memoryview iter next reversed zip enumerate
    getattr max min numpy detach to_numpy DataFrame Series groupby iterrows itertuples get_group head
    tail flat filter map cast vars nditer open __getitem__ __iter__ pipe fit train set_params"""
)
"""Callables whose result may share memory with what they were given."""

SHALLOW: Final = _words(
    "list tuple set frozenset dict sorted copy deque Counter OrderedDict chain islice concat"
)
"""Callables whose result holds the elements of what they were given."""

TRANSPARENT: Final = _words("loc iloc at iat flat T real imag str dt cat values")
"""Attributes that are a way to the same memory rather than to a part with a life of its own."""

EAGER: Final = _words(
    """apply applymap agg aggregate transform assign pipe sorted min max sort groupby map filter reduce
    minimize curve_fit quad sort_values loc iloc sum any all list tuple set dict join map_elements
    map_batches timeit submit sort_index where mask nlargest nsmallest query starmap Parallel run"""
)
"""Callables that call the functions they are given before they return."""

CONSUMERS: Final = _words(
    "all any bytes dict frozenset list max min set sorted str sum tuple join array fromiter extend update"
    " Counter deque DataFrame Series concat mean median fsum prod len"
)
"""Callables that exhaust the generator they are given before they return."""

ONLY_CALL: Final = ((HIGHER | EAGER) - (CONSUMERS | SHALLOW)) | {"max", "min", "sorted"}
"""Callables that call the functions they are given, and neither keep them nor look at their texts."""

MODULES: Final = _words(
    """np pd plt torch tf sns px go os sys json re math random shutil scipy stats sp jnp jax cp pl xr da
    dd nx sk sklearn numpy pandas polars matplotlib seaborn itertools functools operator requests
    subprocess time datetime logging warnings pickle joblib string glob pathlib collections statistics
    heapq bisect copy csv io gzip zipfile inspect types typing"""
)
"""Names that conventionally stand for modules."""

CALM_CONTEXTS: Final = _words(
    """open TemporaryDirectory NamedTemporaryFile TemporaryFile SpooledTemporaryFile ZipFile TarFile File
    connect begin cursor Session Client get no_grad inference_mode enable_grad autocast set_grad_enabled
    errstate printoptions option_context catch_warnings context rc_context axes_style plotting_context
    xkcd tqdm trange Pool ThreadPool ThreadPoolExecutor ProcessPoolExecutor LocalCluster Cluster
    parallel_backend parallel_config config_context GradientTape device scope name_scope Model
    redirect_stdout redirect_stderr localcontext closing nullcontext chdir urlopen ExcelWriter ExcelFile
    PdfPages HDFStore BytesIO StringIO Lock RLock Parallel Progress Live Output profile StringCache
    SQLContext Config warns deprecated_call simplefilter scandir memmap load Image ImageDraw VideoWriter
    capture_output start_run start_span timer Timer"""
)
"""Context managers that let exceptions pass, by the last part of their names."""
