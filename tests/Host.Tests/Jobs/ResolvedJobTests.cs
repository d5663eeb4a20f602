using Marrow.Host.Jobs;

namespace Marrow.Host.Tests.Jobs;

public class ResolvedJobTests
{
    [Theory]
    [InlineData("lora")]
    [InlineData("miss")]
    [InlineData("bone")]
    [InlineData("bat")]
    [InlineData("mini")]
    [InlineData("full")]
    public void The_resolved_job_reads_back_as_itself(string method)
    {
        string text = ResolvedJob.ToYaml(Sample.Read(Sample.Smallest, $"adapter.method={method}"));
        Assert.Equal(text, ResolvedJob.ToYaml(Sample.Read(text)));
    }

    [Theory]
    [InlineData("plain/path_1.jsonl")]
    [InlineData("null")]
    [InlineData("yes")]
    [InlineData("12")]
    [InlineData("1e5")]
    [InlineData("a b: c # d")]
    [InlineData("C:\\data \"x\"\n\té漢😀")]
    [InlineData("- a")]
    [InlineData("*a")]
    [InlineData("x\u001b[2J\u0085\u2028y")]
    [InlineData(" padded ")]
    [InlineData("~")]
    [InlineData("..")]
    public void Any_text_survives(string path)
    {
        JobSpec job = Sample.Read(Sample.Smallest);
        job = job with { Data = job.Data with { Train = path } };
        Assert.Equal(path, Sample.Read(ResolvedJob.ToYaml(job)).Data.Train);
    }

    [Fact]
    public void It_is_written_in_a_fixed_order_with_every_key()
    {
        string[] lines = ResolvedJob.ToYaml(Sample.Read("output: { dir: runs/x }\ndata: { train: t.jsonl }\nmodel: { path: m }\n")).Split('\n');
        Assert.Equal(["schema: marrow/job/v1", "model:", "  path: m", "  dtype: auto", "  activations: auto", "  device: auto", "  device_memory: null", "adapter:", "  method: bone", "  r: 16"], lines[..10]);
        Assert.Contains("  learning_rate: 0.001", lines);
        Assert.Contains("  eps: 1e-08", lines);
        Assert.DoesNotContain(lines, l => l.Contains("lora_alpha", StringComparison.Ordinal));
    }

    [Fact]
    public void Its_json_has_the_keys_of_the_file()
    {
        var json = ResolvedJob.ToJson(Sample.Read(Sample.Smallest, "adapter.target_modules=[q_proj]"));
        Assert.Equal("""["q_proj"]""", json["adapter"]!["target_modules"]!.ToJsonString());
        Assert.Equal("true", json["adapter"]!["init_weights"]!.ToJsonString());
        Assert.Equal("[0.9,0.999]", json["training"]!["betas"]!.ToJsonString());
    }

    [Fact]
    public void A_resumed_job_may_change_some_keys_only()
    {
        JobSpec before = Sample.Read(Sample.Smallest), now = Sample.Read(Sample.Smallest, "adapter.r=8", "training.max_steps=9", "training.epochs=null");
        Assert.Equal(["adapter.r: 16, now 8"], JobDifference.List(before, now, resuming: true));
        Assert.Equal(3, JobDifference.List(before, now, resuming: false).Count());
    }
}
