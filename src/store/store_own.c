#include "base/mem.h"
#include "store/store.h"

#include <stdlib.h>

void store_own_deinit(struct store_own *own) {
    free(own->folder);
    free(own->settings);
    *own = (struct store_own){ 0 };
}

void store_own_copy(struct store_own *to, const struct store_own *from) {
    *to = *from;
    to->folder = mem_copy_string(from->folder);
    to->settings = mem_copy_string(from->settings);
}
