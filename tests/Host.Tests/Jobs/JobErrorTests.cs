using Marrow.Formats;
using Marrow.Host.Jobs;

namespace Marrow.Host.Tests.Jobs;

public class JobErrorTests
{
    // Each row: lines added after the three required ones (so they begin on line 4), and the one problem expected.
    [Theory]
    [InlineData("training: { learning_rat: 1 }", "job.yaml:4:13: training.learning_rat: unknown key; did you mean learning_rate? [JB004]")]
    [InlineData("training:\n  lr: 1e-3", "job.yaml:5:3: training.lr: unknown key; here it is called training.learning_rate [JB004]")]
    [InlineData("training: { micro_batch_size: 4 }", "job.yaml:4:13: training.micro_batch_size: unknown key; here it is called training.batch_size [JB004]")]
    [InlineData("adapter: { learning_rate: 1 }", "job.yaml:4:12: adapter.learning_rate: unknown key; it belongs under training [JB004]")]
    [InlineData("adapter: { use_dora: true }", "job.yaml:4:12: adapter.use_dora: unknown key; here it is called adapter.method: dora [JB004]")]
    [InlineData("trainin: {}", "job.yaml:4:1: trainin: unknown key; did you mean training? [JB004]")]
    [InlineData("zzzz: {}", "job.yaml:4:1: zzzz: unknown key [JB004]")]
    [InlineData("adapter: { \"r\\u001b[2J\": 1 }", "job.yaml:4:12: adapter.r\\u001B[2J: unknown key [JB004]")]
    [InlineData("training: { max_steps: ten }", "job.yaml:4:24: training.max_steps: must be a whole number, but is 'ten' [JB006]")]
    [InlineData("training: { max_steps: 1.5 }", "job.yaml:4:24: training.max_steps: must be a whole number, but is '1.5' [JB006]")]
    [InlineData("training: { max_steps: \"10\" }", "job.yaml:4:24: training.max_steps: must be a whole number, but is the text '10' in quotes [JB006]")]
    [InlineData("training: { max_steps: [1] }", "job.yaml:4:24: training.max_steps: must be a whole number, but is a list [JB006]")]
    [InlineData("training: { max_steps: 0 }", "job.yaml:4:24: training.max_steps: must be at least 1, not 0 [JB007]")]
    [InlineData("training: { max_steps: 3000000000 }", "job.yaml:4:24: training.max_steps: must be at most 2147483647, not 3000000000 [JB007]")]
    [InlineData("training: { batch_size: 99999999999 }", "job.yaml:4:25: training.batch_size: must be at least 1 and at most 65536, not 99999999999 [JB007]")]
    [InlineData("training: { seed: -1 }", "job.yaml:4:19: training.seed: must be at least 0, not -1 [JB007]")]
    [InlineData("training: { eps: 0 }", "job.yaml:4:18: training.eps: must be above 0 and at most 1, not 0 [JB007]")]
    [InlineData("training: { learning_rate: .nan }", "job.yaml:4:28: training.learning_rate: must be a number, but is '.nan' [JB006]")]
    [InlineData("training: { learning_rate: 1e999 }", "job.yaml:4:28: training.learning_rate: must be at least 0 and at most 10, not 1e999 [JB007]")]
    [InlineData("training: { betas: [0.9] }", "job.yaml:4:20: training.betas: must be a list of 2, but has 1 items [JB006]")]
    [InlineData("training: { betas: [0.9, 1] }", "job.yaml:4:26: training.betas: must be at least 0 and below 1, not 1 [JB007]")]
    [InlineData("training: { optimizer: adam }", "job.yaml:4:24: training.optimizer: must be adamw, not 'adam'; did you mean adamw? [JB007]")]
    [InlineData("training: { batch_size: }", "job.yaml:4:25: training.batch_size: must be a value, but is empty [JB006]")]
    [InlineData("training: 3", "job.yaml:4:11: training: must be a mapping of keys [JB006]")]
    [InlineData("adapter: { method: loraa }", "job.yaml:4:20: adapter.method: must be lora, dora, miss, bone, bat, bat_row, mini, state or full, not 'loraa'; did you mean lora? [JB007]")]
    [InlineData("adapter: { method: bone, lora_alpha: 8 }", "job.yaml:4:38: adapter.lora_alpha: does not apply to method bone; remove it or choose lora or dora [JB009]")]
    [InlineData("adapter: { lora_dropout: 0.1 }", "job.yaml:4:26: adapter.lora_dropout: does not apply to method bone; remove it or choose lora or dora [JB009]")]
    [InlineData("adapter: { method: full, r: 4 }", "job.yaml:4:29: adapter.r: does not apply to method full; remove it or choose lora or dora or miss or bone or bat or bat_row or mini [JB009]")]
    [InlineData("adapter: { init_weights: gaussian }", "job.yaml:4:26: adapter.init_weights: gaussian is LoRA's; method bone knows true and false [JB010]")]
    [InlineData("adapter: { bias: all }", "job.yaml:4:18: adapter.bias: must be none, not 'all' [JB007]")]
    [InlineData("adapter: { target_modules: [] }", "job.yaml:4:28: adapter.target_modules: must be a list with at least one item, but has 0 items [JB006]")]
    [InlineData("adapter: { target_modules: [[q]] }", "job.yaml:4:29: adapter.target_modules: must be text, but is a list [JB006]")]
    [InlineData("adapter: { target_modules: '.*q', layers_to_transform: [0] }", "job.yaml:4:56: adapter.layers_to_transform: cannot go with a regular expression in target_modules; put the layer numbers into the expression [JB010]")]
    [InlineData("training: { eval_steps: 5 }", "job.yaml:4:25: training.eval_steps: there is nothing to evaluate on; set data.eval or data.eval_split [JB010]")]
    [InlineData("training: { min_lr_ratio: 0.1 }", "job.yaml:4:27: training.min_lr_ratio: a constant schedule does not go down; set lr_schedule to cosine or linear [JB010]")]
    [InlineData("training: { max_steps: 5, warmup_steps: 6 }", "job.yaml:4:41: training.warmup_steps: is more than max_steps (5); the warm-up would never end [JB010]")]
    [InlineData("schema: marrow/job/v2", "job.yaml:4:9: schema: this program reads marrow/job/v1, not 'marrow/job/v2' [JB003]")]
    [InlineData("training: { seed: 1, seed: 2 }", "job.yaml:4:22: seed: this key stands twice (first on line 4); keep one [JB005]")]
    [InlineData("output: { dir: y }", "job.yaml:4:1: output: this key stands twice (first on line 3); keep one [JB005]")]
    [InlineData("training: { shuffle: yes }", "job.yaml:4:13: training.shuffle: unknown key; it belongs under data [JB004]")]
    [InlineData("training:\n\tseed: 1", "job.yaml:5:1: not valid YAML: While scanning a mapping, found invalid tab as indentation. [JB002]")]
    [InlineData("\ttraining: {}", "job.yaml:4:1: not valid YAML: While scanning a mapping, found invalid tab as indentation. [JB002]")]
    [InlineData("--- {}", "job.yaml:4:1: a second YAML document; one file holds one job [JB002]")]
    public void Each_mistake_is_told_with_its_place(string added, string expected) =>
        Assert.Equal(expected, Assert.Single(Sample.Problems(Sample.Smallest + added)).ToString());

    [Theory]
    [InlineData("shuffle: yes", "data.shuffle: must be true or false, but is 'yes'")]
    [InlineData("eval_split: 1", "data.eval_split: must be at least 0 and below 1, not 1")]
    [InlineData("eval: e, eval_split: 0.1", "data.eval_split: give either data.eval or data.eval_split")]
    [InlineData("train: {a: b}", "data.train: must be text, but is a mapping")]
    [InlineData("train: \"\"", "data.train: must be text, but is empty or holds a zero character")]
    public void Mistakes_in_the_data_section(string data, string expected)
    {
        string train = data.Contains("train", StringComparison.Ordinal) ? "" : "train: t, ";
        JobProblem problem = Assert.Single(Sample.Problems($"model: {{ path: m }}\noutput: {{ dir: x }}\ndata: {{ {train}{data} }}"));
        Assert.StartsWith(expected, $"{problem.Key}: {problem.Message}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("device: gpu")]
    [InlineData("device: 'cuda:'")]
    [InlineData("device: \"cpu\\n\"")]
    [InlineData("dtype: int4")]
    public void Mistakes_in_the_model_section(string model) =>
        Assert.Equal("JB007", Assert.Single(Sample.Problems($"model: {{ path: m, {model} }}\noutput: {{ dir: x }}\ndata: {{ train: t }}")).Code);

    [Fact]
    public void Missing_keys_are_all_named()
    {
        IReadOnlyList<JobProblem> problems = Sample.Problems("model: {}\n");
        Assert.Equal(["model.path", "data.train", "output.dir"], problems.Select(p => p.Key).Order(Comparer<string?>.Create(ByFileOrder)));
        Assert.All(problems, p => Assert.Equal("JB008", p.Code));
    }

    [Fact]
    public void All_problems_come_at_once_in_the_order_of_the_file()
    {
        var error = Assert.Throws<JobException>(() => Sample.Read("training:\n  lr: 1\n  seed: x\nadapter: { r: 0 }\n" + Sample.Smallest));
        Assert.Equal(["JB004", "JB006", "JB007"], error.Problems.Select(p => p.Code));
        Assert.Equal("JB004", error.Code);
        Assert.StartsWith("the job has 3 problems\n  job.yaml:2:3: training.lr: unknown key", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# only a comment")]
    [InlineData("model: [")]
    [InlineData("model: *nowhere")]
    [InlineData("a: &a [*a]")]
    [InlineData("model: !!python/object:os.system {}")]
    [InlineData("? [a]\n: b")]
    [InlineData("\tmodel: x")]
    [InlineData("%YAML 9.9\n---\na")]
    [InlineData("- 1")]
    [InlineData("null")]
    [InlineData("text")]
    public void What_is_not_a_job_is_refused_with_a_place(string text) =>
        Assert.StartsWith("job.yaml:", Sample.Problems(text)[0].Place, StringComparison.Ordinal);

    [Fact]
    public void Deep_nesting_and_alias_bombs_are_bounded()
    {
        Assert.Contains("nested deeper", Sample.Problems("x-a: " + new string('[', 5000))[^1].Message, StringComparison.Ordinal);
        string bomb = "x-0: &a0 {k: v}\n" + string.Concat(Enumerable.Range(1, 60).Select(i =>
            $"x-{i}: &a{i} [{string.Join(',', Enumerable.Repeat($"*a{i - 1}", 9))}]\n"));
        Assert.Equal("m", Sample.Read(bomb + Sample.Smallest).Model.Path);
        string wide = "x-w: &w {" + string.Join(", ", Enumerable.Range(0, 2000).Select(i => $"k{i}: 1")) + "}\nx-m:\n  <<: ["
            + string.Join(", ", Enumerable.Repeat("*w", 2000)) + "]\n";
        Assert.Contains("more than 10000 values", Sample.Problems(wide + Sample.Smallest)[^1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Broken_text_never_escapes_as_another_error()
    {
        var random = new Random(7);
        string good = Sample.Smallest + "adapter: &a { method: lora, target_modules: [q_proj, 'v'] }\nx-b: *a\ntraining:\n  betas: [0.9, 0.95]\n";
        const string marks = "{}[]:,&*!|>'\"%@`#-?\n\t \\~<\0\u0085\uFEFF9e.";
        for (int i = 0; i < 20000; i++)
        {
            char[] text = good.ToCharArray();
            for (int n = random.Next(1, 5); n > 0; n--)
                text[random.Next(text.Length)] = marks[random.Next(marks.Length)];
            string broken = new string(text)[..random.Next(1, text.Length + 1)];
            Exception? error = Record.Exception(() => Sample.Read(broken));
            Assert.True(error is null or MarrowException, $"{error} for: {broken}");
        }
    }

    private static int ByFileOrder(string? a, string? b)
    {
        string[] order = ["model.path", "data.train", "output.dir"];
        return Array.IndexOf(order, a).CompareTo(Array.IndexOf(order, b));
    }
}
