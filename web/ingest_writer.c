#include "web/ingest_writer.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/keys.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES ((size_t)2 << 20)
#define BATCH_MOST  64
#define QUEUE_MOST  256
#define KNOWN_KEYS  64
#define KNOWN_NS    PL_NS_PER_S

/* On the stack of whoever waits for it. */
struct job {
    struct job *next;
    const struct pl_inbox_entry *entry; /* NULL: a key is asked for */
    int64_t project_id;
    const char *public_key;
    bool admit;
    int64_t key_id;
    pthread_cond_t finished; /* of who waits for this one */
    bool done;
    enum pl_status status;
    struct pl_error err;
};

/* Keys are looked for at every request. What was found is true for a moment. */
struct known_key {
    int64_t project_id, id, until_ns;
    char public_key[PL_KEY_TEXT];
};

struct pl_ingest_writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, **last; /* under lock, like the next two */
    int queued;
    bool stopping;
    struct known_key known[KNOWN_KEYS];
    char *db_path;
    struct pl_store *store; /* the thread's own */
};

/* ---- the thread ---- */

static enum pl_status open_store(struct pl_ingest_writer *writer, struct pl_error *err)
{
    if (writer->store)
        return PL_OK;
    enum pl_status status =
        pl_store_open(writer->db_path, PL_STORE_CREATE, &writer->store, err);
    if (status == PL_OK)
        status = pl_store_make_durable(writer->store, err);
    if (status != PL_OK) {
        pl_store_close(writer->store);
        writer->store = NULL;
    }
    return status;
}

static enum pl_status find_key(struct pl_ingest_writer *writer, struct job *job,
                               struct pl_error *err)
{
    enum pl_status status = open_store(writer, err);
    if (status == PL_OK)
        status = pl_key_find(writer->store, job->project_id, job->public_key,
                             &job->key_id, err);
    if (status == PL_NOT_FOUND && job->admit)
        status = pl_key_admit(writer->store, job->project_id, job->public_key,
                              &job->key_id, err);
    return status;
}

static enum pl_status put_batch(struct pl_ingest_writer *writer,
                                const struct pl_inbox_entry *const *entries,
                                size_t count, struct pl_error *err)
{
    enum pl_status status = open_store(writer, err);
    return status == PL_OK ? pl_inbox_add(writer->store, entries, count, err) : status;
}

/* The file may have been replaced, or the disk be full: the next job finds out. */
static void look_after(struct pl_ingest_writer *writer, enum pl_status status,
                       const struct pl_error *err)
{
    if (status == PL_OK || status == PL_NOT_FOUND || status == PL_USAGE)
        return;
    pl_log(PL_LOG_WARN, "web", "ingest: %s", err->message);
    pl_store_close(writer->store);
    writer->store = NULL;
}

/* Keys one by one, envelopes together. `jobs` are out of the queue. */
static void run_jobs(struct pl_ingest_writer *writer, struct job **jobs, size_t count)
{
    const struct pl_inbox_entry *entries[BATCH_MOST];
    struct job *batch[BATCH_MOST];
    size_t batched = 0;
    struct pl_error err = {0};
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->entry) {
            batch[batched] = jobs[i];
            entries[batched++] = jobs[i]->entry;
            continue;
        }
        jobs[i]->status = find_key(writer, jobs[i], &jobs[i]->err);
        look_after(writer, jobs[i]->status, &jobs[i]->err);
    }
    if (!batched)
        return;
    enum pl_status status = put_batch(writer, entries, batched, &err);
    look_after(writer, status, &err);
    for (size_t i = 0; i < batched; i++) {
        batch[i]->status = status;
        batch[i]->err = err;
    }
}

static size_t take_jobs(struct pl_ingest_writer *writer, struct job **jobs)
{
    size_t count = 0;
    for (; writer->first && count < BATCH_MOST; count++) {
        jobs[count] = writer->first;
        writer->first = jobs[count]->next;
        writer->queued--;
    }
    if (!writer->first)
        writer->last = &writer->first;
    return count;
}

static void *work(void *arg)
{
    struct pl_ingest_writer *writer = arg;
    struct job *jobs[BATCH_MOST];
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        size_t count = take_jobs(writer, jobs);
        if (!count && writer->stopping)
            break;
        if (!count) {
            pthread_cond_wait(&writer->work, &writer->lock);
            continue;
        }
        pthread_mutex_unlock(&writer->lock);
        run_jobs(writer, jobs, count);
        pthread_mutex_lock(&writer->lock);
        for (size_t i = 0; i < count; i++) {
            jobs[i]->done = true;
            pthread_cond_signal(&jobs[i]->finished);
        }
    }
    pthread_mutex_unlock(&writer->lock);
    pl_store_close(writer->store);
    return NULL;
}

/* ---- those who wait ---- */

/* The job is on the waiter's stack, so it waits as long as it takes. */
static enum pl_status wait_for(struct pl_ingest_writer *writer, struct job *job,
                               struct pl_error *err)
{
    pthread_mutex_lock(&writer->lock);
    bool refused = writer->stopping || writer->queued >= QUEUE_MOST;
    if (!refused) {
        *writer->last = job;
        writer->last = &job->next;
        writer->queued++;
        pthread_cond_signal(&writer->work);
        while (!job->done)
            pthread_cond_wait(&job->finished, &writer->lock);
    }
    pthread_mutex_unlock(&writer->lock);
    pthread_cond_destroy(&job->finished);
    if (refused)
        return pl_error_set(err, PL_BUSY, "the server has too much to do: try again");
    if (err)
        *err = job->err;
    return job->status;
}

static struct known_key *room_of(struct pl_ingest_writer *writer, int64_t project_id,
                                 const char *public_key)
{
    uint64_t hash = pl_hash_mix(pl_hash_bytes(public_key, strlen(public_key)),
                                (uint64_t)project_id);
    return &writer->known[hash % KNOWN_KEYS];
}

static bool find_known(struct pl_ingest_writer *writer, int64_t project_id,
                       const char *public_key, int64_t *id_out)
{
    pthread_mutex_lock(&writer->lock);
    const struct known_key *key = room_of(writer, project_id, public_key);
    bool known = key->project_id == project_id && key->until_ns > pl_clock_mono_ns() &&
                 strcmp(key->public_key, public_key) == 0;
    if (known)
        *id_out = key->id;
    pthread_mutex_unlock(&writer->lock);
    return known;
}

static void remember(struct pl_ingest_writer *writer, int64_t project_id,
                     const char *public_key, int64_t id)
{
    struct known_key key = {
        .project_id = project_id, .id = id, .until_ns = pl_clock_mono_ns() + KNOWN_NS};
    if (strlen(public_key) >= sizeof key.public_key)
        return;
    memcpy(key.public_key, public_key, strlen(public_key) + 1);
    pthread_mutex_lock(&writer->lock);
    *room_of(writer, project_id, public_key) = key;
    pthread_mutex_unlock(&writer->lock);
}

enum pl_status pl_ingest_writer_key(struct pl_ingest_writer *writer, int64_t project_id,
                                    const char *public_key, bool admit, int64_t *id_out,
                                    struct pl_error *err)
{
    if (find_known(writer, project_id, public_key, id_out))
        return PL_OK;
    struct job job = {.project_id = project_id,
                      .public_key = public_key,
                      .admit = admit,
                      .finished = PTHREAD_COND_INITIALIZER};
    enum pl_status status = wait_for(writer, &job, err);
    *id_out = job.key_id;
    if (status == PL_OK)
        remember(writer, project_id, public_key, job.key_id);
    return status;
}

enum pl_status pl_ingest_writer_put(struct pl_ingest_writer *writer,
                                    const struct pl_inbox_entry *entry,
                                    struct pl_error *err)
{
    struct job job = {.entry = entry, .finished = PTHREAD_COND_INITIALIZER};
    return wait_for(writer, &job, err);
}

/* ---- lifecycle ---- */

static void free_writer(struct pl_ingest_writer *writer)
{
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->lock);
    free(writer->db_path);
    free(writer);
}

enum pl_status pl_ingest_writer_start(const char *db_path,
                                      struct pl_ingest_writer **out,
                                      struct pl_error *err)
{
    struct pl_ingest_writer *writer = calloc(1, sizeof *writer);
    char *path = strdup(db_path);
    pthread_attr_t attributes;
    if (!writer || !path) {
        free(path);
        free(writer);
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    }
    writer->db_path = path;
    writer->last = &writer->first;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->work, NULL);
    int failure = pthread_attr_init(&attributes);
    if (!failure) {
        (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
        failure = pthread_create(&writer->thread, &attributes, work, writer);
        pthread_attr_destroy(&attributes);
    }
    if (failure) {
        free_writer(writer);
        return pl_error_set(err, PL_IO, "cannot start a thread: %s", strerror(failure));
    }
    *out = writer;
    return PL_OK;
}

void pl_ingest_writer_stop(struct pl_ingest_writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    free_writer(writer);
}
