/* model_list.h - [W66] GET /api/models: every model file with what it says about itself, what it would take, and what it does now.
 *
 * Nothing is loaded. Files that were not asked yet are asked first (models_inspect): the answer waits for the slowest of them.
 *
 * Thread  the loop thread only.
 */
#ifndef RUNNEL_API_MODEL_LIST_H
#define RUNNEL_API_MODEL_LIST_H

#include "api/api_internal.h"

void model_list_reply(struct api *api, struct net_conn *net);

#endif
