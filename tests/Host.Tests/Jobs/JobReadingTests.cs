using Marrow.Formats;
using Marrow.Host.Jobs;

namespace Marrow.Host.Tests.Jobs;

public class JobReadingTests
{
    [Fact]
    public void The_smallest_job_gets_every_default()
    {
        JobSpec job = Sample.Read(Sample.Smallest);
        Assert.Equal(("m", "t.jsonl", "runs/x"), (job.Model.Path, job.Data.Train, job.Output.Dir));
        Assert.Equal(("bone", 16, 8.0, 1), (job.Adapter.Method, job.Adapter.R, job.Adapter.LoraAlpha, job.Adapter.MiniR));
        Assert.True(job.Adapter.TargetModules.IsAllLinear);
        Assert.Equal((null, 1.0), (job.Training.MaxSteps, job.Training.Epochs));
        Assert.Equal([0.9, 0.999], job.Training.Betas);
    }

    [Fact]
    public void Every_kind_of_value_is_read()
    {
        JobSpec job = Sample.Read("""
            schema: marrow/job/v1
            model: { path: m, dtype: bf16, device: "cuda:1" }
            adapter: { method: lora, r: 8, lora_alpha: 12.5, use_rslora: true, init_weights: false,
                       target_modules: [q_proj, v_proj], exclude_modules: 'model\.layers\.0\..*', modules_to_save: lm_head, layers_to_transform: [0, 3] }
            data: { train: t, eval: e, max_length: 64, mask_prompt: false }
            training: { max_steps: 7, learning_rate: 1e-3, betas: [0.8, 0.9], lr_schedule: cosine, min_lr_ratio: .1, epochs: ~ }
            output: { dir: 2024 }
            """);
        Assert.Equal(("bf16", "cuda:1"), (job.Model.Dtype, job.Model.Device));
        Assert.Equal((8, 12.5, true, "false"), (job.Adapter.R, job.Adapter.LoraAlpha, job.Adapter.UseRslora, job.Adapter.InitWeights));
        Assert.Equal(["q_proj", "v_proj"], job.Adapter.TargetModules.Names);
        Assert.Equal("""model\.layers\.0\..*""", job.Adapter.ExcludeModules?.Expression);
        Assert.Equal(["lm_head"], job.Adapter.ModulesToSave);
        Assert.Equal([0, 3], job.Adapter.LayersToTransform);
        Assert.Equal((7, null, 1e-3, 0.1), (job.Training.MaxSteps, job.Training.Epochs, job.Training.LearningRate, job.Training.MinLrRatio));
        Assert.Equal("2024", job.Output.Dir);
    }

    [Fact]
    public void Anchors_and_merge_keys_work_and_own_keys_win()
    {
        JobSpec job = Sample.Read("x-common: &c { seed: 5, batch_size: 3 }\ntraining: { <<: *c, seed: 9 }\n" + Sample.Smallest);
        Assert.Equal((9, 3), (job.Training.Seed, job.Training.BatchSize));
    }

    [Fact]
    public void Overrides_are_yaml_and_come_before_the_checks()
    {
        JobSpec job = Sample.Read("output: { dir: x }\nadapter: { lora_alpha: 8 }\n", "model.path=a=b", "data={train: t, shuffle: false}",
            "adapter.method=lora", "adapter.target_modules=[q_proj]", "training.max_steps = 3", "training.epochs=");
        Assert.Equal(("a=b", "t", false), (job.Model.Path, job.Data.Train, job.Data.Shuffle));
        Assert.Equal(("lora", 8.0, 3), (job.Adapter.Method, job.Adapter.LoraAlpha, job.Training.MaxSteps));
        Assert.Equal(["q_proj"], job.Adapter.TargetModules.Names);
    }

    [Theory]
    [InlineData("training.learning_rat=1", "--set training.learning_rat=1: training.learning_rat: unknown key; did you mean learning_rate? [JB004]")]
    [InlineData("training.seed=x", "--set training.seed=x: training.seed: must be a whole number, but is 'x' [JB006]")]
    [InlineData("seed", "--set seed: write --set section.key=value, as in --set training.learning_rate=3e-4 [JB011]")]
    [InlineData("a.b.c=1", "--set a.b.c=1: write --set section.key=value, as in --set training.learning_rate=3e-4 [JB011]")]
    public void A_wrong_override_is_told_by_its_text(string setting, string expected) =>
        Assert.Equal(expected, Assert.Single(Sample.Problems(Sample.Smallest, setting)).ToString());

    [Fact]
    public void Files_that_are_not_there_are_told_with_the_absolute_path()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Put("job.yaml", Sample.Smallest);
        var error = Assert.Throws<JobException>(() => JobPaths.Check(JobFile.Load(path, ["data.eval=no/e.jsonl", $"model.path={folder.Path}"])));
        Assert.Equal(["data.train", "data.eval"], error.Problems.Select(p => p.Key));
        Assert.Contains(Path.GetFullPath("no/e.jsonl"), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_job_file_that_cannot_be_read_is_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["latin1.yaml"], [0x61, 0xE9, 0x62]);
        using (FileStream large = File.Create(folder["large.yaml"]))
            large.SetLength(2 << 20);
        Assert.Equal("IO003", Assert.Throws<ModelFileException>(() => JobFile.Load(folder["absent.yaml"], [])).Code);
        Assert.Equal("IO001", Assert.Throws<ModelFileException>(() => JobFile.Load(folder.Path, [])).Code);
        Assert.Equal("JB001", Assert.Throws<MarrowException>(() => JobFile.Load(folder["latin1.yaml"], [])).Code);
        Assert.Equal("JB001", Assert.Throws<MarrowException>(() => JobFile.Load(folder["large.yaml"], [])).Code);
    }
}
