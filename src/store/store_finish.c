#include "store/store_finish.h"

#include "base/mem.h"
#include "store/store.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct store_finish {
    struct mailbox *box;
    struct mailbox *done;
    pthread_t thread;
};

static void *finish_main(void *ctx) {
    struct store_finish *finish = ctx;
    for (;;) {
        struct mail *first = mailbox_wait_all(finish->box, -1);
        if (first == NULL) {
            return NULL;
        }
        for (struct mail *mail = first, *next; mail; mail = next) {
            next = mail->next;
            struct store_job *job = (struct store_job *)mail;
            job->kind->finish(job);
            enum status status = mailbox_post(finish->done, mail);
            assert(status == STATUS_OK);
            (void)status;
        }
    }
}

enum status store_finish_new(struct mailbox *done, struct store_finish **out, struct fault *fault) {
    struct store_finish *finish = mem_alloc(sizeof *finish);
    finish->done = done;
    finish->box = mailbox_new(&(struct mailbox_options){ .n_max = STORE_JOBS_MAX });
    if (pthread_create(&finish->thread, NULL, finish_main, finish) != 0) {
        mailbox_free(finish->box);
        free(finish);
        return fault_set(fault, STATUS_IO, "a thread cannot be started");
    }
    pthread_setname_np(finish->thread, "store-finish");
    *out = finish;
    return STATUS_OK;
}

void store_finish_free(struct store_finish *finish) {
    if (finish == NULL) {
        return;
    }
    mailbox_close(finish->box);
    pthread_join(finish->thread, NULL);
    mailbox_free(finish->box);
    free(finish);
}

void store_finish_post(struct store_finish *finish, struct store_job *job) {
    enum status status = mailbox_post(finish->box, &job->mail);
    assert(status == STATUS_OK);
    (void)status;
}
