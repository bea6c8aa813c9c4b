#include "memory_need.h"

#include <fit.h>
#include <vector>

bool memory_need_measure(const char *path, const struct llama_model_params *model,
                         const struct llama_context_params *context, struct memory_need *out) {
    std::vector<ggml_backend_dev_t> devices;
    uint32_t n_layers = 0;
    uint32_t n_context_train = 0;
    uint32_t n_experts = 0;
    try {
        /* The last one is main memory; before it stand the devices. */
        const common_device_memory_data main_memory =
            common_get_device_memory_data(path, model, context, devices, n_layers, n_context_train, n_experts,
                                          GGML_LOG_LEVEL_ERROR)
                .back();
        *out = memory_need{ main_memory.context, main_memory.compute };
        return true;
    } catch (...) {
        return false;
    }
}
