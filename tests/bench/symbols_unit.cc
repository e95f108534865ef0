// Debug information by the megabyte, as C++ programs have it: bench_symbols.py compiles
// it with different PART and links many copies.
#include <algorithm>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

template <int N> struct shelf {
    std::map<std::string, std::vector<int>> goods;
    std::unordered_map<int, std::shared_ptr<std::string>> names;
    std::set<std::pair<int, std::string>> order;
    std::list<std::function<int(int)>> rules;

    int fill(int n)
    {
        for (int i = 0; i < n; i++) {
            std::ostringstream name;
            name << "item " << i << '/' << N;
            goods[name.str()].push_back(i);
            names[i] = std::make_shared<std::string>(name.str());
            order.insert({i, name.str()});
            rules.push_back([this, i](int x) { return x + i + (int)goods.size(); });
        }
        std::vector<std::pair<int, std::string>> all(order.begin(), order.end());
        std::sort(all.begin(), all.end(),
                  [](const auto &a, const auto &b) { return a.second < b.second; });
        int sum = 0;
        for (auto &rule : rules)
            sum = rule(sum);
        std::regex digits("[0-9]+(/" + std::to_string(N) + ")?");
        return sum + (int)std::regex_match(all.front().second, digits);
    }
};

template <int N> int fill_all(int n)
{
    if constexpr (N <= PART * 100)
        return 0;
    else
        return shelf<N>().fill(n) + fill_all<N - 1>(n);
}

int fill_part(int n)
{
    return fill_all<PART * 100 + 12>(n);
}
