#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {

template class Proxy<FakeNet>;

}  // namespace penstock::proxy
