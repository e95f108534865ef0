#include "tests/segment_watch.h"

#include "collector/rowcache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void watch_open(struct watch *watch)
{
    struct pl_error err;
    memset(watch, 0, sizeof *watch);
    snprintf(watch->dir, sizeof watch->dir, "/dev/shm/proflite-test-XXXXXX");
    if (!mkdtemp(watch->dir) ||
        pl_rowcache_open(watch->dir, &watch->rows, &err) != PL_OK)
        abort();
    watch->dir_fd = open(watch->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_files(int dir_fd)
{
    DIR *dir = fdopendir(dup(dir_fd));
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dir_fd, entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

void watch_close(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++) {
        pl_segment_close(&watch->sessions[i]->reader);
        free(watch->sessions[i]);
    }
    pl_rowcache_close(watch->rows);
    int rows = openat(watch->dir_fd, PL_ROWS_DIR, O_RDONLY | O_DIRECTORY);
    if (rows >= 0) {
        remove_files(rows);
        close(rows);
        unlinkat(watch->dir_fd, PL_ROWS_DIR, AT_REMOVEDIR);
    }
    remove_files(watch->dir_fd);
    close(watch->dir_fd);
    rmdir(watch->dir);
}

static void make_rows(struct watch *watch, struct watch_session *session)
{
    struct pl_segment *seg = session->reader.seg;
    uint32_t count = atomic_load_explicit(&seg->module_count, memory_order_acquire);
    if (count == session->modules || count > PL_SEG_MAX_MODULES)
        return;
    for (; session->modules < count; session->modules++) {
        const struct pl_seg_module *m = &seg->modules[session->modules];
        struct pl_rowcache_module module = {seg->paths + m->path, m->build_id,
                                            m->build_id_bytes,
                                            (m->flags & PL_MODULE_VDSO) != 0};
        struct pl_error err;
        if (pl_rowcache_make(watch->rows, &module, &err) != PL_OK)
            fprintf(stderr, "no rows: %s\n", err.message);
    }
    atomic_fetch_add(&seg->rows_generation, 1);
}

static void take_records(struct watch *watch, struct watch_session *session,
                         uint32_t slot)
{
    static uint64_t buffer[PL_SEG_RECORD_BYTES / 8 + 1];
    const struct pl_rec *rec = (const void *)buffer;
    enum pl_segment_read read;
    while ((read = pl_segment_peek(&session->reader, slot, buffer)) != PL_READ_NONE) {
        if (read == PL_READ_DAMAGED) {
            session->wrong++;
            continue;
        }
        const struct pl_seg_thread *thread =
            &session->reader.seg->threads[rec->slot % PL_SEG_MAX_THREADS];
        session->wrong += slot != PL_SEG_QUIET && slot != rec->slot;
        session->wrong += rec->generation > atomic_load(&thread->generation);
        if (slot == PL_SEG_QUIET)
            session->quiet_records++;
        else
            session->records++;
        session->periods += rec->periods;
        if (rec->kind == PL_REC_REGISTERS)
            session->shipped++;
        else
            session->walks[rec->end]++;
        if (watch->each)
            watch->each(session, rec);
        pl_segment_take(&session->reader, slot, buffer);
    }
}

static void take_name(struct watch_session *session, const struct pl_event *event)
{
    char *name = session->names[event->slot];
    size_t length = strlen(session->all_names);
    memcpy(name + (event->flags ? 8 : 0), &event->value, 8);
    if (event->flags && !watch_has_name(session, name))
        snprintf(session->all_names + length, sizeof session->all_names - length, "%s,",
                 name);
}

static void take_event(struct watch *watch, struct watch_session *session,
                       const struct pl_event *event)
{
    uint32_t slot = event->slot;
    if (slot >= PL_SEG_MAX_THREADS) {
        session->wrong++;
    } else if (event->kind == PL_EVENT_TICK) {
        session->ticks++;
    } else if (event->kind == PL_EVENT_START) {
        session->starts++;
        session->wrong += session->tids[slot] != 0;
        session->tids[slot] = event->arg;
        memset(session->names[slot], 0, sizeof session->names[slot]);
        pl_segment_slot_begin(&session->reader, slot);
    } else if (event->kind == PL_EVENT_NAME) {
        session->wrong += !session->tids[slot]; /* before its START */
        take_name(session, event);
    } else if (event->kind == PL_EVENT_END) {
        session->ends++;
        session->wrong += !session->tids[slot];
        session->tids[slot] = 0;
        take_records(watch, session, slot);
        uint32_t generation =
            atomic_load(&session->reader.seg->threads[slot].generation);
        pl_segment_slot_release(&session->reader, slot, generation);
    } else if (event->kind == PL_EVENT_RAN) {
        session->wrong += !session->tids[slot];
        session->signalled += event->flags == PL_RAN_SIGNALLED;
        session->quiet += event->flags == PL_RAN_QUIET;
        session->same += event->flags == PL_RAN_SAME;
    } else if (event->kind != PL_EVENT_MODULES) {
        session->wrong++;
    }
}

static void step_session(struct watch *watch, struct watch_session *session)
{
    bool damaged;
    if (!pl_segment_refresh(&session->reader))
        return;
    make_rows(watch, session);
    uint64_t head = pl_segment_event_head(&session->reader, &damaged);
    session->wrong += damaged;
    while (session->reader.event_tail != head) {
        struct pl_event event = pl_segment_event(&session->reader);
        take_event(watch, session, &event);
    }
    uint32_t high = atomic_load(&session->reader.seg->thread_high);
    for (uint32_t slot = 0; slot < high && slot < PL_SEG_MAX_THREADS; slot++)
        take_records(watch, session, slot);
    take_records(watch, session, PL_SEG_QUIET);
    pl_segment_publish(&session->reader);
}

static void attach(struct watch *watch, const char *file)
{
    struct pl_error err;
    for (unsigned i = 0; i < watch->count; i++) {
        if (strcmp(watch->sessions[i]->file, file) == 0)
            return;
    }
    if (watch->count == WATCH_SESSIONS)
        return;
    struct watch_session *session = calloc(1, sizeof *session);
    snprintf(session->file, sizeof session->file, "%s", file);
    strcpy(session->all_names, ",");
    if (pl_segment_open(&session->reader, watch->dir_fd, file, false, &err) != PL_OK) {
        fprintf(stderr, "%s: %s\n", file, err.message);
        free(session);
        return;
    }
    watch->sessions[watch->count++] = session;
}

void watch_step(struct watch *watch)
{
    DIR *dir = opendir(watch->dir);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.' && strstr(entry->d_name, ".seg"))
            attach(watch, entry->d_name);
    }
    if (dir)
        closedir(dir);
    for (unsigned i = 0; i < watch->count; i++)
        step_session(watch, watch->sessions[i]);
}

struct watch_session *watch_find(struct watch *watch, int pid)
{
    struct watch_session *found = NULL;
    for (unsigned i = 0; i < watch->count; i++) {
        struct watch_session *session = watch->sessions[i];
        if ((int)session->reader.facts.pid == pid &&
            (!found ||
             session->reader.facts.mono_origin_ns > found->reader.facts.mono_origin_ns))
            found = session;
    }
    return found;
}

uint64_t watch_lost(const struct watch_session *session, enum pl_loss reason)
{
    uint64_t lost = 0;
    for (uint32_t i = 0; i < PL_SEG_MAX_THREADS; i++)
        lost += atomic_load(&session->reader.seg->threads[i].lost[reason]);
    return lost;
}

bool watch_has_name(const struct watch_session *session, const char *name)
{
    char text[32];
    snprintf(text, sizeof text, ",%s,", name);
    return strstr(session->all_names, text) != NULL;
}
