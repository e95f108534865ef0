-- Format 1.00. Everything a profile needs is in this one file; docs/FORMAT.md
-- explains the blobs. Times are Unix nanoseconds unless a name says otherwise.
-- References are by convention and not enforced; `proflite check` verifies them.
-- Id 0 means "none" where a column may not be NULL.

-- Facts about the file itself: created_ns, generation, ...
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

-- Where SDKs send to. Project 0, which has no row, is what was recorded here.
CREATE TABLE project (
    id INTEGER PRIMARY KEY,           -- the number in the DSN
    name TEXT NOT NULL,               -- app of its sessions
    created_ns INTEGER NOT NULL
) STRICT;

-- Who may send: keys of DSNs. A project's own key is the one of lowest id.
CREATE TABLE project_key (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL,
    public_key TEXT NOT NULL,         -- 32 hex digits
    secret_key TEXT,                  -- NULL: none was made
    use_case TEXT NOT NULL DEFAULT 'user',
    created_ns INTEGER NOT NULL,
    UNIQUE (project_id, public_key)
) STRICT;

-- ---- what ran -----------------------------------------------------------

-- One process from start to end of recording (one profiler id).
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,               -- profiler id, 32 hex digits
    project_id INTEGER NOT NULL DEFAULT 0,
    recording_id TEXT,                -- uuid shared by all processes of a recording
    parent_id TEXT,                   -- uuid of the session it was forked from
    app TEXT NOT NULL,
    release TEXT,
    environment TEXT,
    dist TEXT,
    in_app_include TEXT,              -- prefixes of its own code, with commas between
    in_app_exclude TEXT,              -- and of what is not
    project_root TEXT,                -- folder of its own code
    host TEXT,
    pid INTEGER,
    platform TEXT,                    -- 'native', 'python', ...
    mode TEXT,                        -- 'wall' or 'cpu'
    start_ns INTEGER NOT NULL,
    end_ns INTEGER,                   -- of the last sample while live, then of the end
    state TEXT NOT NULL DEFAULT 'live', -- live, ended, crashed, killed, abandoned
    exit_status INTEGER,              -- as a shell counts; NULL unknown
    slowed_ticks INTEGER NOT NULL DEFAULT 0, -- left out to keep within max_overhead:
                                      -- samples after them weigh more, no time is lost
    UNIQUE (uuid, project_id)
) STRICT;

-- A thread under one name. A kernel tid may come back within a session: `seq`
-- tells two threads of the same tid, name and part from each other.
CREATE TABLE thread (
    id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    seq INTEGER NOT NULL DEFAULT 0,
    UNIQUE (session_id, tid, name, seq)
) STRICT;

-- The logical unit of profile data: what an SDK sends, what has an outcome.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,               -- chunk id, 32 hex digits
    event_id TEXT,                    -- set by the pass
    session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL DEFAULT 0,
    platform TEXT,
    format TEXT,                      -- 'proflite', 'sample_v2', 'sample_v1', ...
    source TEXT,                      -- who made it: 'proflite', an SDK's name, a file
    start_ns INTEGER NOT NULL,        -- of its parts together
    end_ns INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    sampled INTEGER NOT NULL DEFAULT 1,
    symbolicated INTEGER NOT NULL DEFAULT 0,
    deobfuscated INTEGER NOT NULL DEFAULT 0,
    normalized INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0, -- by the pass: 0 new or grown, 2 taken, 1 done
    symbolicator_error TEXT,
    symbolicator_status TEXT,
    symbolicator_message TEXT,
    -- Of what was received:
    org_id INTEGER,                   -- as its sender says
    key_id INTEGER,                   -- project_key.id
    debug_meta INTEGER NOT NULL DEFAULT 1, -- 0 missing or empty, 1 as it should be,
                                      -- 2 without images
    has_profile INTEGER NOT NULL DEFAULT 1, -- 0: it said when and where, and no more
    device_class TEXT,                -- as tagged; normalized: 'unclassified' if not
    retention_days INTEGER,           -- set by normalization
    UNIQUE (uuid, project_id, session_id)
) STRICT;
CREATE INDEX chunk_session ON chunk (session_id, start_ns);
CREATE INDEX chunk_unfinished ON chunk (id) WHERE finished <> 1;

-- What is stored of a chunk: a piece of at most 60 s that crosses no hour of
-- Unix time, so that hours add up from whole parts.
-- Tick i of width 2 is at origin_ns + i*period_ns + (v-5000)*unit_ns, of width 4
-- at origin_ns + v*unit_ns, v being the i-th group of `tick_width` bytes read as
-- decimal digits, one per nibble. All F: the tick was missed (no time known).
CREATE TABLE part (
    id INTEGER PRIMARY KEY,
    chunk_id INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    period_ns INTEGER NOT NULL,       -- what one sample weighs, if its slot says no more
    origin_ns INTEGER NOT NULL,       -- zero of the ticks below and of the slots' own
    unit_ns INTEGER NOT NULL,         -- resolution of stored times
    tick_width INTEGER NOT NULL,      -- bytes: 2 or 4
    tick_count INTEGER NOT NULL,      -- 0: every slot has times of its own
    ticks BLOB NOT NULL,
    bytes INTEGER NOT NULL,           -- of this part's blobs and new dictionary rows
    live INTEGER NOT NULL DEFAULT 0,  -- 1: so much of the open minute; the put of the
                                      -- whole of it, or of more, takes its place
    UNIQUE (chunk_id, start_ns)
) STRICT;
CREATE INDEX part_live ON part (session_id, start_ns) WHERE live = 1;
CREATE INDEX part_time ON part (start_ns, end_ns, session_id);
CREATE INDEX part_session ON part (session_id, start_ns, end_ns);

-- One thread's samples in a part. `runs` are stack ids in order of time, digits
-- one per nibble, B = minus, then A ends a run of 1, C..F of 2..5; longer runs
-- are count*1000000000+id, ended by A. Id 0: no sample at these ticks. A
-- negative id: the thread was not on CPU (only if cpu_known).
-- `weights` has one number per run, all of length(weights)/nruns bytes, digits one
-- per nibble (leading B = minus), times weight_unit: what one sample of it weighs.
CREATE TABLE slot (
    id INTEGER PRIMARY KEY,
    part_id INTEGER NOT NULL,
    thread_id INTEGER NOT NULL,
    n INTEGER NOT NULL,               -- samples (ticks with a stack)
    n_on INTEGER NOT NULL,            -- of them on CPU; 0 if unknown
    cpu_known INTEGER NOT NULL,       -- 1: the signs in runs say on or off CPU
    cpu_ns INTEGER,                   -- exact CPU time in the part; NULL unknown
    weight INTEGER NOT NULL,          -- of all its samples
    unit TEXT,                        -- of weights: NULL is ns, else 'bytes', 'count', ...
    nruns INTEGER NOT NULL,           -- runs in `runs`, those of id 0 included
    runs BLOB NOT NULL,
    ticks BLOB,                       -- width 4, one per sample or gap; NULL: the part's
    weights BLOB,                     -- NULL: each sample weighs the part's period_ns
    weight_unit INTEGER,              -- what 1 in `weights` stands for
    UNIQUE (part_id, thread_id)
) STRICT;

-- Who looks at the newest data, and until when: recorders then write the open minute
-- every few seconds as a part that is `live`.
CREATE TABLE watch (
    viewer TEXT NOT NULL PRIMARY KEY,
    until_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Hours and days of a session, and whether they are summed up in `rollup`. A
-- bucket without a row, and one in state 0 or 3: decode the slots.
CREATE TABLE rolled (
    session_id INTEGER NOT NULL,
    level INTEGER NOT NULL,           -- seconds: 3600 or 86400
    bucket INTEGER NOT NULL,          -- Unix seconds / level
    state INTEGER NOT NULL,           -- 0: not summed up; 1: rollup holds all of it;
                                      -- 2: and what it sums up was deleted;
                                      -- 3: not worth it
    n INTEGER NOT NULL DEFAULT 0,     -- samples in all its rows of rollup
    start_ns INTEGER NOT NULL DEFAULT 0, -- of the parts summed up
    end_ns INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session_id, level, bucket)
) STRICT, WITHOUT ROWID;
CREATE INDEX rolled_open ON rolled (level, bucket, session_id) WHERE state = 0;

-- One thread's samples of ns in a bucket, summed up per stack. `sums` is a list of
-- entries in the order of stack ids, each ended by A, its fields parted by B:
-- stack id, samples, over runs the squares of their samples, CPU ns, samples that take
-- part in CPU time, wall ns. Fields at the end are left out where they say the usual:
-- wall ns = samples * each_ns, both of CPU the same as wall, squares = samples.
CREATE TABLE rollup (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    thread_id INTEGER NOT NULL,
    n INTEGER NOT NULL,               -- samples
    n_cpu INTEGER NOT NULL,           -- of them in CPU time
    wall_ns INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL,
    each_ns INTEGER NOT NULL,         -- what a sample usually weighs
    sums BLOB NOT NULL,
    PRIMARY KEY (level, bucket, session_id, thread_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_thread ON rollup (thread_id);

-- Samples known to be lost, by reason.
CREATE TABLE loss (
    id INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL,
    chunk_id INTEGER,
    part_id INTEGER,
    thread_id INTEGER,                -- NULL: not one thread's
    reason TEXT NOT NULL,
    count INTEGER NOT NULL            -- samples
) STRICT;
CREATE INDEX loss_session ON loss (session_id);

-- Labels and spans: (key, value) over a stretch of a thread's ticks.
CREATE TABLE tag (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (key, value)
) STRICT;
CREATE TABLE label_span (
    id INTEGER PRIMARY KEY,
    part_id INTEGER NOT NULL,
    thread_id INTEGER NOT NULL,
    first_tick INTEGER NOT NULL,      -- in the slot
    n INTEGER NOT NULL,
    tag_id INTEGER NOT NULL
) STRICT;
CREATE INDEX label_span_part ON label_span (part_id, thread_id);
CREATE INDEX label_span_tag ON label_span (tag_id, part_id);

-- ---- stacks: raw below, names above --------------------------------------

CREATE TABLE module (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    name TEXT NOT NULL,               -- last component of path
    build_id TEXT NOT NULL DEFAULT '', -- hex
    debug_id TEXT,                    -- lower case, 8-4-4-4-12
    kind TEXT NOT NULL DEFAULT '',    -- macho, pe, ...; '': ELF, or none said
    status TEXT,                      -- found, missing, unknown_image, malformed,
                                      -- fetching_failed, timeout, unsupported;
                                      -- NULL: nobody has looked yet
    UNIQUE (path, build_id)
) STRICT;
CREATE INDEX module_build_id ON module (build_id) WHERE build_id <> '';

-- A function is (name, module, file).
CREATE TABLE function (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    module_id INTEGER NOT NULL DEFAULT 0, -- 0: none
    file TEXT NOT NULL DEFAULT '',
    line INTEGER NOT NULL DEFAULT 0,  -- where it is declared; 0 unknown
    UNIQUE (name, module_id, file)
) STRICT;

-- A frame as captured. Native: (module_id, address, exact), function_id 0.
-- Named by its source (interpreters, pseudo frames): function_id, line, column.
CREATE TABLE frame_raw (
    id INTEGER PRIMARY KEY,
    module_id INTEGER NOT NULL DEFAULT 0, -- 0: address is absolute
    address INTEGER NOT NULL DEFAULT 0, -- in the module's own (ELF) numbering; 64 bits
    exact INTEGER NOT NULL DEFAULT 0, -- 1: the instruction itself; 0: a return address
    function_id INTEGER NOT NULL DEFAULT 0,
    line INTEGER NOT NULL DEFAULT 0,
    column INTEGER NOT NULL DEFAULT 0,
    in_app INTEGER NOT NULL DEFAULT -1, -- 1, 0, -1 unknown
    platform TEXT NOT NULL DEFAULT '', -- '': native
    UNIQUE (module_id, address, exact, function_id, line, column, in_app, platform)
) STRICT;

-- What the pass found for a frame; replaced by a redo. Depth 0 is the real
-- function, 1.. were inlined into the one before. A frame looked up in vain has
-- one row: depth 0, function_id 0 and the reason in status.
CREATE TABLE frame_name (
    frame_id INTEGER NOT NULL,
    depth INTEGER NOT NULL,           -- 0..255
    function_id INTEGER NOT NULL,     -- 0: no name was found
    line INTEGER NOT NULL DEFAULT 0,  -- of the address
    column INTEGER NOT NULL DEFAULT 0,
    in_app INTEGER NOT NULL DEFAULT -1, -- 1, 0, -1 unknown
    status TEXT NOT NULL,             -- symbolicated, missing_symbol, unknown_image, ...
    trim INTEGER NOT NULL DEFAULT 0,  -- 1: does not show as the root of a stack, nor next
                                      -- to it, with it; 2: nor as its leaf, with the one
                                      -- that called it
    PRIMARY KEY (frame_id, depth)
) STRICT, WITHOUT ROWID;

-- A stack is the first `keep` frames of its parent, then `frames`: frame ids, root
-- first, digits one per nibble, A after each. parent < id; parent 0: keep is 0.
-- No index: writers learn each other's rows by reading ids past the last they saw.
CREATE TABLE stack (
    id INTEGER PRIMARY KEY,           -- dense, from 1, below 1000000000
    parent INTEGER NOT NULL,
    keep INTEGER NOT NULL,
    frames BLOB NOT NULL
) STRICT;

-- Generations of the stack dictionary: parents never point before their epoch. The
-- last row's id changes whenever ids that writers remember may be void.
CREATE TABLE dict_epoch (
    id INTEGER PRIMARY KEY,
    first_stack_id INTEGER NOT NULL,
    first_part_id INTEGER NOT NULL,   -- from there on no slot uses an older stack
    created_ns INTEGER NOT NULL
) STRICT;
INSERT INTO dict_epoch VALUES (1, 1, 1, CAST(unixepoch() AS INTEGER) * 1000000000);

-- ---- the processing pass and the outside world ---------------------------

-- Exactly one per chunk and category (invariant 1).
CREATE TABLE outcome (
    id INTEGER PRIMARY KEY,
    chunk_uuid TEXT NOT NULL,
    project_id INTEGER NOT NULL DEFAULT 0, -- 0: local
    org_id INTEGER,
    key_id INTEGER,
    category TEXT NOT NULL,           -- 'profile_chunk', 'profile_duration', ...
    outcome TEXT NOT NULL,            -- accepted, filtered, rate_limited, invalid, ...
    reason TEXT,
    quantity INTEGER NOT NULL DEFAULT 1,
    duration_ms INTEGER,              -- of a chunk: from its first sample to its last
    ts_ns INTEGER NOT NULL,
    UNIQUE (project_id, chunk_uuid, category)
) STRICT;

-- Counters of what the rows do not show any more: outcomes by reason, duplicates,
-- redos, errors, time spent. `/metrics` says them to others.
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,   -- with labels as Prometheus writes them
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One holder at a time of a job on this file.
CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,   -- 'pass', ...
    owner TEXT NOT NULL,
    expires_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What arrived by HTTP. Its items are taken one by one, each
-- in the transaction that also counts it in items_done.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL,
    org_id INTEGER,
    key_id INTEGER,
    received_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,               -- 'envelope', 'store' (one bare event), or 'task'
                                      -- (one bare profile, of `process --payload`)
    encoding TEXT NOT NULL,           -- of body: '', gzip, deflate, br, zstd
    headers TEXT NOT NULL,            -- JSON object of the end-to-end ones, no auth
    items_done INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'new', -- new, stored, rejected, forwarded
    error TEXT
) STRICT;
CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';

-- The body, byte for byte as sent: apart, so that a change of state does not write it
-- again.
CREATE TABLE inbox_body (
    inbox_id INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Transactions and spans of SDKs: names for what was sampled meanwhile. They arrive
-- before or after the samples; label_span has the match.
CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL,
    trace_id TEXT NOT NULL,           -- 32 hex digits
    span_id TEXT NOT NULL,            -- 16
    parent_span_id TEXT,
    event_id TEXT,                    -- of a transaction
    profiler_id TEXT,                 -- session.uuid of where it ran; NULL unknown
    profile_id TEXT,                  -- chunk.uuid of its own profile (v1)
    tid INTEGER,                      -- NULL: any thread
    thread_name TEXT,
    name TEXT NOT NULL,
    op TEXT,
    is_segment INTEGER NOT NULL,      -- 1: a transaction, or a root of spans
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    UNIQUE (project_id, trace_id, span_id)
) STRICT;
CREATE INDEX span_profiler ON span (profiler_id, start_ns)
    WHERE profiler_id IS NOT NULL;

-- debug_meta.images of a chunk, as sent.
CREATE TABLE image (
    id INTEGER PRIMARY KEY,
    chunk_id INTEGER NOT NULL,
    type TEXT NOT NULL,               -- elf, macho, pe, sourcemap, proguard, ...
    code_file TEXT,
    code_id TEXT,
    debug_file TEXT,
    debug_id TEXT,                    -- or uuid
    address INTEGER,                  -- where it was loaded; 64 bits
    size INTEGER,
    vmaddr INTEGER,                   -- what the file itself counts from
    module_id INTEGER NOT NULL DEFAULT 0, -- 0: no frame lies in it
    status TEXT                       -- unused, else the module's when the chunk was
                                      -- symbolicated; NULL: it was not
) STRICT;
CREATE INDEX image_chunk ON image (chunk_id);

-- Measurements of a chunk (CPU usage, memory, frame times, ...).
CREATE TABLE measurement (
    id INTEGER PRIMARY KEY,
    chunk_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    value REAL NOT NULL
) STRICT;
CREATE INDEX measurement_chunk ON measurement (chunk_id);

-- Files that bring names: uploaded, or fetched from a debuginfod server.
CREATE TABLE symbol_file (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL DEFAULT 0, -- 0: for all
    kind TEXT NOT NULL,               -- elf, sourcemap, minified, proguard
    debug_id TEXT NOT NULL DEFAULT '', -- lower case, 8-4-4-4-12
    build_id TEXT NOT NULL DEFAULT '', -- elf: hex
    content TEXT NOT NULL,            -- hash of the contents, 32 hex digits
    name TEXT NOT NULL,               -- last component of where it came from
    origin TEXT NOT NULL DEFAULT '',  -- '': somebody added it; else the server's URL
    bytes INTEGER NOT NULL,           -- of the contents
    has_debug INTEGER NOT NULL DEFAULT 0, -- elf: 1 with DWARF
    complete INTEGER NOT NULL DEFAULT 0, -- 0: pieces are still being written
    added_ns INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX symbol_file_content
    ON symbol_file (content, kind, debug_id, project_id) WHERE complete = 1;
CREATE INDEX symbol_file_debug_id ON symbol_file (debug_id, kind)
    WHERE complete = 1 AND debug_id <> '';
CREATE INDEX symbol_file_build_id ON symbol_file (build_id, kind)
    WHERE complete = 1 AND build_id <> '';

-- Their contents: 1 MiB each (the last one less), compressed with zstd.
CREATE TABLE symbol_piece (
    file_id INTEGER NOT NULL,
    number INTEGER NOT NULL,          -- from 0
    data BLOB NOT NULL,
    PRIMARY KEY (file_id, number)
) STRICT;

-- Where names are looked for, in order, if not in the usual places. A project without
-- rows has those of project 0.
CREATE TABLE symbol_source (
    project_id INTEGER NOT NULL,
    position INTEGER NOT NULL,        -- from 1
    kind TEXT NOT NULL,               -- uploaded, folder, build-id, debuginfod
    place TEXT NOT NULL DEFAULT '',   -- path or URL
    PRIMARY KEY (project_id, position)
) STRICT, WITHOUT ROWID;

-- What a server did not have: not asked again for a while.
CREATE TABLE symbol_miss (
    url TEXT NOT NULL,
    build_id TEXT NOT NULL,
    until_ns INTEGER NOT NULL,
    PRIMARY KEY (url, build_id)
) STRICT, WITHOUT ROWID;

-- Function metrics of profiles of which nothing else is kept, as they were not sampled:
-- one row a profile and function.
CREATE TABLE function_metric (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL,
    profile_id TEXT NOT NULL,         -- all zero: there is none to look at
    app TEXT NOT NULL,
    release TEXT,
    environment TEXT,
    platform TEXT,
    start_ns INTEGER NOT NULL,        -- of the profile
    fingerprint INTEGER NOT NULL,     -- Sentry's number of package:function
    function TEXT NOT NULL,
    module TEXT NOT NULL DEFAULT '',
    file TEXT NOT NULL DEFAULT '',
    samples INTEGER NOT NULL,
    sum_ns INTEGER NOT NULL,
    self_ns TEXT NOT NULL             -- of each call, a JSON array
) STRICT;
CREATE INDEX function_metric_time ON function_metric (start_ns);

-- Upstreams that are forwarded to.
CREATE TABLE outbox_target (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,        -- scheme, host, path, project; never a key
    created_ns INTEGER NOT NULL,
    chunk_seen INTEGER NOT NULL DEFAULT 0, -- chunks up to that id have their rows below,
    inbox_seen INTEGER NOT NULL DEFAULT 0, -- and so has what arrived
    failures INTEGER NOT NULL DEFAULT 0, -- one after the other
    next_try_ns INTEGER NOT NULL DEFAULT 0, -- nothing is sent before
    paused INTEGER NOT NULL DEFAULT 0, -- 1: it refuses us; somebody has to look
    trouble TEXT                      -- why the last try failed; NULL: it did not
) STRICT;

-- Categories an upstream wants nothing of for a while.
CREATE TABLE outbox_limit (
    target_id INTEGER NOT NULL,
    category TEXT NOT NULL,           -- '': all of them
    until_ns INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY (target_id, category)
) STRICT, WITHOUT ROWID;

-- 'sent', 'sent_bytes', 'retries', 'limited', 'dead:' and a reason.
CREATE TABLE outbox_count (
    target_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (target_id, name)
) STRICT, WITHOUT ROWID;

-- What is, was or never will be sent to an upstream.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    target_id INTEGER NOT NULL,
    kind TEXT NOT NULL,               -- 'chunk', and 'spans' that ended in it; 'received'
    chunk_id INTEGER,                 -- of our own
    inbox_id INTEGER,                 -- or an envelope as it came
    state TEXT NOT NULL DEFAULT 'waiting', -- waiting, sent, dead
    reason TEXT,                      -- of dead; of waiting: why the last try failed
    categories TEXT,                  -- ',profile_chunk,'; NULL: nobody has looked yet
    bytes INTEGER NOT NULL DEFAULT 0, -- what the store keeps because of it
    added_ns INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_ns INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX outbox_chunk ON outbox (chunk_id, target_id, kind)
    WHERE chunk_id IS NOT NULL;
CREATE UNIQUE INDEX outbox_inbox ON outbox (inbox_id, target_id)
    WHERE inbox_id IS NOT NULL;
CREATE INDEX outbox_waiting ON outbox (target_id, attempts, id) WHERE state = 'waiting';
