#include "store/store_health.h"

#include "base/log.h"

#include <errno.h>
#include <sqlite3.h>

enum store_trouble store_health_classify(int result, int error) {
    if ((result & 0xFF) == SQLITE_FULL) {
        return STORE_FULL;
    }
    if ((result & 0xFF) == SQLITE_READONLY) {
        return STORE_READ_ONLY;
    }
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* a limit on the size of files */
        return STORE_FULL;
    case EROFS:
    case EACCES:
    case EPERM:
        return STORE_READ_ONLY;
    default:
        return STORE_FAILING;
    }
}

void store_health_set(struct store_health *health, enum store_part part, enum store_trouble trouble) {
    static const char *const parts[] = { "commit", "sync", "checkpoint" };
    if (atomic_exchange(&health->troubles[part], (int)trouble) == (int)trouble) {
        return;
    }
    LOG_WARN("store_trouble", "part=%s is=%s", parts[part], store_trouble_name(trouble));
    health->wake(health->ctx);
}

enum store_trouble store_health_of(const struct store_health *health, enum store_part part) {
    return (enum store_trouble)atomic_load(&health->troubles[part]);
}

enum store_trouble store_health_now(const struct store_health *health) {
    enum store_trouble trouble = STORE_FINE;
    for (int part = 0; part < STORE_PARTS_N && trouble == STORE_FINE; part++) {
        trouble = store_health_of(health, (enum store_part)part);
    }
    return trouble;
}

const char *store_trouble_name(enum store_trouble trouble) {
    static const char *const names[] = { [STORE_FINE] = "fine",
                                         [STORE_FULL] = "full",
                                         [STORE_FAILING] = "failing",
                                         [STORE_READ_ONLY] = "read_only" };
    return names[trouble];
}
