#include "l7/proxy/retry_budget.h"

#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

using base::kNanosPerSecond;

TEST(RetryBudgets, TheLeastIsAlwaysAllowedAndTheShareIsOfTheLastInterval) {
  RetryBudgets budgets(small_limits());
  config::RetryBudget budget{
      .percent = 50, .interval = 10 * kNanosPerSecond, .least = 2, .least_interval = kNanosPerSecond};
  base::Nanos now = 100 * kNanosPerSecond;
  EXPECT_TRUE(budgets.spend(3, budget, now));
  EXPECT_TRUE(budgets.spend(3, budget, now));
  EXPECT_FALSE(budgets.spend(3, budget, now));
  now += kNanosPerSecond / 2;
  EXPECT_TRUE(budgets.spend(3, budget, now));
  EXPECT_FALSE(budgets.spend(3, budget, now));
  budget.least = 0;
  for (int i = 0; i < 20; ++i) budgets.note_request(3, budget, now);
  int spent = 0;
  while (budgets.spend(3, budget, now)) ++spent;
  EXPECT_EQ(spent, 7);          // ten of twenty, less the three above
  now += 14 * kNanosPerSecond;  // half of that interval counts
  EXPECT_FALSE(budgets.spend(3, budget, now));
  for (int i = 0; i < 10; ++i) budgets.note_request(3, budget, now);
  spent = 0;
  while (budgets.spend(3, budget, now)) ++spent;
  EXPECT_EQ(spent, 5);
  EXPECT_FALSE(budgets.spend(3, budget, now + 100 * kNanosPerSecond));
}

}  // namespace
}  // namespace penstock::proxy
